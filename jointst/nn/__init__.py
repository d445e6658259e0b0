"""Parts of the model; every module on the time axis takes lengths and gives them back."""
