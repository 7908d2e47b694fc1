"""One systemd-networkd, in the foreground, without systemd and udev.

Where /sys is read-only networkd does not wait for udev, as in a container; so it runs behind such a mount of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from conformance import limits
from conformance.adapters.interface import AdapterError
from conformance.lab.kernel.appear import await_path
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.process import Daemon

PROGRAM: Final = "/lib/systemd/systemd-networkd"
STATE: Final = "/run/systemd/netif"
USER: Final = "systemd-network"
FOLDERS: Final = tuple(f"{STATE}/{name}" for name in ("links", "leases", "lldp"))
IDENTITY: Final = "/run/machine-id"
NETWORK: Final = "/run/systemd/network/10-ports.network"


def start_networkd(namespace: Namespace, settings: str, log: Path, *, machine: str = "") -> Daemon:
    """Start it with one .network file, `settings`, and wait until it keeps its state; the namespace has a /run of its
    own. Its Chassis ID is made of the machine's identity: with `machine` of one of that name. Raises AdapterError."""
    for command in (["mkdir", "-p", str(Path(NETWORK).parent), *FOLDERS], ["chown", "-R", USER, STATE]):
        namespace.run(command, timeout=limits.COMMAND)
    namespace.run(["tee", NETWORK], text=settings, timeout=limits.COMMAND)
    behind = f"mount -o remount,bind,ro /sys && exec {PROGRAM}"
    if machine:
        namespace.run(["tee", IDENTITY], text=f"{uuid5(NAMESPACE_URL, machine).hex}\n", timeout=limits.COMMAND)
        behind = f"if test -e /etc/machine-id; then mount --bind {IDENTITY} /etc/machine-id; fi && {behind}"
    environment = {"SYSTEMD_LOG_TARGET": "console"}
    daemon = namespace.start(["unshare", "-m", "sh", "-c", behind], log, environment=environment)
    try:
        await_path(namespace, f"{STATE}/state", daemon, limits.DAEMON_START)
    except TimeoutError as problem:
        raise AdapterError(f"networkd: {problem}") from None
    return daemon
