"""``python -m conformance`` is the command ``plugfest``."""

from conformance.cli import main

main()
