"""LLDP (IEEE 802.1AB-2016): its frames, and an agent without I/O."""
