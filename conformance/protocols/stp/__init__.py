"""STP and RSTP (IEEE 802.1D-2004): their frames, and a bridge without I/O."""
