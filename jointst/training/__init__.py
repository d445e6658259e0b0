"""Training on lightning: the module, its data, checkpoints, and the train stage."""
