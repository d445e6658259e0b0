"""Linear probes of frozen states."""
