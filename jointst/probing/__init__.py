"""Linear probes of frozen states, forced alignment by them, durations of phones, pseudo-labels."""
