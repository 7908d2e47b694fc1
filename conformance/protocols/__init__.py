"""Frames as small typed views."""
