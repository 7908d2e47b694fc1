"""Pairs: two implementations in one lab, each against the other, as one profile."""
