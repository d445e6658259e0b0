"""Recognition of sound files and of live audio with a packed model."""
