"""LACP (IEEE 802.1AX-2020): its frames, and a participant without I/O."""
