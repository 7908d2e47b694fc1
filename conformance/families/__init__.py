"""The checks: one module per requirement family, each check a pure function of a recording."""
