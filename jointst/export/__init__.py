"""Trained models as files for use elsewhere."""
