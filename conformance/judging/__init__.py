"""What stands between a recording and a verdict: the case that a check is given, and the register of checks."""
