"""Durations of phones: from speech by a forced alignment, and predicted from text."""
