"""Calls of outside APIs: by name, by path, in a batch, passed through; what may be called, and what was."""
