"""Recordings: their model, their frames, and where they come from."""
