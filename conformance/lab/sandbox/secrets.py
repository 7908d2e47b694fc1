"""Secrets that a run is given by its environment: taken out of it once, and handed to the labs, never inherited.

Every program that a lab starts inherits the environment, the implementation under test among them. What is secret is
therefore kept in the memory of the suite's own processes, and crosses into a sandbox with the job.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

SECRET: Final = re.compile(r"PLUGFEST_\w*(PASSWORD|PASSPHRASE|TOKEN)")
"""Names of variables whose values are secret."""
_kept: dict[str, str] = {}


def keep() -> Mapping[str, str]:
    """Take what is secret out of the environment of this process, from where its children would have it; return it."""
    for name in [name for name in os.environ if SECRET.fullmatch(name)]:
        _kept[name] = os.environ.pop(name)
    return dict(_kept)


def receive(secrets: Mapping[str, str]) -> None:
    """Keep what came with a job."""
    _kept.update(secrets)


def environment() -> Mapping[str, str]:
    """The environment as it was given, with what is secret: for what asks a device, and for nothing that is started."""
    return {**os.environ, **_kept}
