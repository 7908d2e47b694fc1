"""Driving pytest from a command: isolated from whatever the user's own pytest is set up to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from conformance.judging.checks import check_files
from conformance.running.run import Run

HERE: Final = Path(__file__).parent
NAME: Final = "plugfest-driver"
_SCRUBBED: Final = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "PYTEST_THEME", "CI")


@dataclass(frozen=True, eq=False)
class PytestDriver:
    """The pytest plugin by which a command hands its run to `conformance.plugin`."""

    run: Run


def drive(run: Run) -> pytest.ExitCode:
    """Record and judge everything that the run covers; its reports are written when this returns.

    pytest sees no configuration, conftest, plugin or environment variable but the suite's own.
    """
    options = ("--noconftest", "--import-mode=importlib", "--assert=plain", "--capture=no")
    plugins = ("conformance.plugin", "no:cacheprovider", "no:terminal", "no:faulthandler", "no:unraisableexception")
    arguments = ["-c", str(HERE / "pytest.ini"), "--rootdir", str(HERE), *options]
    arguments += [word for name in plugins for word in ("-p", name)]
    arguments += map(str, check_files().values())
    with _scrubbed():
        return pytest.ExitCode(pytest.main(arguments, plugins=[PytestDriver(run)]))


@contextmanager
def _scrubbed() -> Iterator[None]:
    kept = {name: os.environ.pop(name) for name in _SCRUBBED if name in os.environ}
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    try:
        yield
    finally:
        del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]
        os.environ.update(kept)
