"""Driving pytest from a command: isolated from whatever the user's own pytest is set up to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from conformance.places import CHECKS
from conformance.running.run import Run

NAME: Final = "plugfest-driver"
_SCRUBBED: Final = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_THEME", "CI")


@dataclass(frozen=True, eq=False)
class Driver:
    """The pytest plugin by which a command hands its run to `conformance.plugin`."""

    run: Run


def drive(run: Run) -> pytest.ExitCode:
    """Record and judge everything that the run covers; its reports are written when this returns.

    pytest sees no configuration, conftest, plugin or environment variable but the suite's own.
    """
    arguments = [
        "-c", str(CHECKS / "pytest.ini"), "--rootdir", str(CHECKS), "--noconftest", "--import-mode=importlib",
        "--assert=plain", "--capture=no", "-p", "conformance.plugin", "-p", "no:cacheprovider", "-p", "no:terminal",
        "-p", "no:faulthandler", "-p", "no:unraisableexception", str(CHECKS),
    ]  # fmt: skip
    with _scrubbed():
        return pytest.ExitCode(pytest.main(arguments, plugins=[Driver(run)]))


@contextmanager
def _scrubbed() -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in _SCRUBBED if name in os.environ}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        os.environ.update(kept)
