"""Losses; they live outside the model and return their named parts."""
