"""Adapters: one package for each kind of implementation, behind `interface`."""
