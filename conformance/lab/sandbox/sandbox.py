"""The sandbox: new pid, mount, network, IPC and UTS namespaces around a whole lab (and a user namespace without root).

The kernel cleans up: every process of a lab descends from the sandbox's init and dies with it, by whatever signal, and
namespaces, interfaces and mounts go with the last process. The machine's own network is never entered.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from conformance.lab.kernel.mounts import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_PRIVATE, MS_REC, mount
from conformance.lab.kernel.namespace import CLONE_NEWNET, CLONE_NEWNS, unshare
from conformance.lab.sandbox import cgroups

CLONE_NEWCGROUP: Final = 0x0200_0000
CLONE_NEWUTS: Final = 0x0400_0000
CLONE_NEWIPC: Final = 0x0800_0000
CLONE_NEWUSER: Final = 0x1000_0000
CLONE_NEWPID: Final = 0x2000_0000
PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent thread ends; `parent` is the pid that it must still have."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(137)


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants, so that their end can be waited for."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def spawn(body: Callable[[], int], *, scratch: Path, group: str | None = None) -> int:
    """Fork a sandbox that runs `body` and exits with its result; returns the pid of the process to wait for.

    `scratch` is an existing, empty folder on which the sandbox mounts a tmpfs of its own: what is written there lives
    in memory and dies with the sandbox. `group` names a cgroup of its own (root only), removed by `cgroups.remove`.
    The calling process must be single-threaded and must outlive the sandbox, which is killed when it ends.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    return _guarded(lambda: _outer(body, scratch, group, parent))


def _guarded(function: Callable[[], int]) -> NoReturn:
    code = 70
    try:
        code = function()
    except BaseException as problem:
        import traceback

        traceback.print_exception(problem)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _outer(body: Callable[[], int], scratch: Path, group: str | None, parent: int) -> int:
    die_with_parent(parent)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the recording server ignores it; daemons in here must not
    rootless = os.geteuid() != 0
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
    if rootless:
        flags |= CLONE_NEWUSER
    elif group is not None and cgroups.enter(group):
        flags |= CLONE_NEWCGROUP
    unshare(flags)
    if rootless:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    die_with_parent(parent)
    init = os.fork()
    if init == 0:
        _guarded(lambda: _init(body, scratch))
    return _exit_code(os.waitpid(init, 0)[1])


def _init(body: Callable[[], int], scratch: Path) -> int:
    """Process 1 of the sandbox: makes the mounts, starts the body, buries whatever is orphaned."""
    die_with_parent(0)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("plugfest", str(scratch), "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    main = os.fork()
    if main == 0:
        _guarded(lambda: _main(body))
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == main:
            return _exit_code(status)


def _main(body: Callable[[], int]) -> int:
    die_with_parent(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    return body()


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
