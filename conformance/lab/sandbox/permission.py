"""Permission to make sandboxes, asked of the kernel before anything is recorded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NoReturn

from conformance.errors import MachineError
from conformance.lab.kernel.namespace import CLONE_NEWNET, CLONE_NEWNS, unshare
from conformance.lab.sandbox.sandbox import CLONE_NEWPID, CLONE_NEWUSER

KNOBS: Final = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("user/max_user_namespaces", "0", "15000"),
    ("user/max_net_namespaces", "0", "15000"),
)
"""Settings below /proc/sys that forbid namespaces: the value that does, and one that does not."""


def check_sandboxes() -> None:
    """Raises MachineError, with what to do, where the kernel lets this user make no sandbox."""
    problem = _tried()
    if problem is None:
        return
    rootless = os.geteuid() != 0
    knob = next((knob for knob in KNOBS if _reads(knob[0]) == knob[1]), None)
    if knob is not None:
        advice = f"{'run as root, or set' if rootless else 'set'} sysctl {knob[0].replace('/', '.')}={knob[2]}"
    elif rootless:
        advice = "run as root, or in a container that may make user namespaces"
    else:
        advice = "in a container, start it with --privileged"
    what = "user namespaces are" if rootless else "to root, too, network namespaces are"
    raise MachineError(f"{what} forbidden here ({problem}): {advice}; `plugfest judge` works without")


def _reads(name: str) -> str:
    try:
        return Path("/proc/sys", name).read_text().strip()
    except OSError:
        return ""


def _tried() -> str | None:
    """Why a process may not enter namespaces as a sandbox does; None where it may."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _try(writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(pid, 0)
    return said or None


def _try(writer: int) -> NoReturn:
    """In a process of its own: enter the namespaces, write why that failed, and end."""
    rootless, uid = os.geteuid() != 0, os.geteuid()
    try:
        unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | (CLONE_NEWUSER if rootless else 0))
        if rootless:
            Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    except OSError as problem:
        os.write(writer, (problem.strerror or str(problem)).encode())
    finally:
        os._exit(0)
