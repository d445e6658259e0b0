"""Audio encoders that others have trained: one interface, a module for each kind, reading of their files."""
