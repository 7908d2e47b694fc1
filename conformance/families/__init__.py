"""Requirement families: each a package with what it demands, does, decides and plants (see `conformance.family`)."""
