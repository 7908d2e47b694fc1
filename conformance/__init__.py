"""Plugfest: an unattended plugfest. Puts a network implementation into a lab, provokes it, records and judges it."""

__version__ = "0.1.0"
