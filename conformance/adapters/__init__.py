"""Adapters: one room per kind of implementation, behind `interface`."""
