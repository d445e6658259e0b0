"""From speech to text: hypotheses, search, and the decode stage."""
