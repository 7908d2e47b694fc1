"""Steady streams of datagrams, and the counters of their receivers."""
