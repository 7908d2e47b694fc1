"""Partners: the suite's own speakers of link protocols, on our side of the wire, several ports on one event loop."""
