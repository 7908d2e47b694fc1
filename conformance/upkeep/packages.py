"""The Debian packages that profiles and tests need: ``python3 -m conformance.upkeep.packages [--install]``.

Needs nothing but the standard library: it runs before the virtual environment exists.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from typing import Final

from conformance.places import PROFILES

TESTS: Final = ("chromium",)
"""What the project's own tests need besides: the browser in which the page is tried."""


def wanted() -> list[str]:
    """Every package that a shipped profile or a test names, sorted, each once."""
    found = set(TESTS)
    for path in PROFILES.glob("*.toml"):
        found.update(tomllib.loads(path.read_text()).get("packages", []))
    return sorted(found)


def missing(packages: list[str]) -> list[str]:
    """Those that dpkg does not know as installed."""
    query = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\n", *packages]
    answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[1] for line in answer.splitlines() if line.startswith("installed ")}
    return [package for package in packages if package not in installed]


def install(packages: list[str]) -> int:
    """Install packages with apt-get, without starting their services. Returns apt-get's exit code.

    No initial RAM disk is made for a kernel that is installed for guests alone: it takes longer than all the rest.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1", "INITRD": "No"}
    update = subprocess.run(["apt-get", "update"], env=environment, check=False)
    if update.returncode:
        return update.returncode
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    return subprocess.run(command, env=environment, check=False).returncode


def main() -> int:
    """Print the list, or install what is missing."""
    packages = wanted()
    if "--install" not in sys.argv[1:]:
        print("\n".join(packages))  # noqa: T201 - this is the list
        return 0
    needed = missing(packages)
    return install(needed) if needed else 0


if __name__ == "__main__":
    sys.exit(main())
