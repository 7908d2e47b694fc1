"""What each command of ``plugfest`` does: one module per group of commands; ``cli.py`` parses and calls."""
