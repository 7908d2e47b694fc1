"""Reports: all outcomes of one run of one implementation, the matrix of several, JUnit, the gate, live progress."""
