"""``jointst adapt``: a trained model learns the words of a new domain from text alone."""
