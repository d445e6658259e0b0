"""Several processes that train one model: who they are, how they start, how they watch each other, how they end."""
