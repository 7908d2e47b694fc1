"""Taps: every frame of an interface, with the kernel's time, into a pcapng."""
