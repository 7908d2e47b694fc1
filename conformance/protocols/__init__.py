"""Protocols: frames as small typed views, and state machines without I/O."""
