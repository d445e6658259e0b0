"""Whole models, composed from :mod:`jointst.nn`."""
