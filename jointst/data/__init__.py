"""Data: Kaldi directories, audio, features, validation, corpora."""
