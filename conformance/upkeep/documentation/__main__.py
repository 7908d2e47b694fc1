"""``python -m conformance.upkeep.documentation [--check]``."""

from __future__ import annotations

import sys

from conformance.upkeep.documentation import stale
from conformance.upkeep.documentation.place import ROOT


def main() -> int:
    """Write every generated file that is stale; with ``--check`` name those files and return 1 instead."""
    found = stale()
    if "--check" in sys.argv[1:]:
        names = ", ".join(str(path.relative_to(ROOT)) for path in found)
        if found:
            print(f"not as the code says: {names}; run python -m conformance.upkeep.documentation")  # noqa: T201
        return int(bool(found))
    for path, text in found.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
