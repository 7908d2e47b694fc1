"""What this machine can run: namespaces, kernel features, the settings that turn verdicts round, and the peers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conformance.commands.console import console
from conformance.errors import UsageError
from conformance.profile import available, load


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at; `fine` None means that it is only worth knowing, `packages` would provide it.

    `name` is the profile that it is about, `reason` why that cannot run.
    """

    fine: bool | None
    what: str
    advice: str = ""
    packages: tuple[str, ...] = ()
    name: str = ""
    reason: str = ""


SHOWN: Final = 6
"""Names that are listed in one line; the rest is counted."""
REASONS: Final = 6
"""Reasons why implementations cannot run that are listed."""
ENTRIES: Final = 8192
"""Neighbour entries that the labs of a whole run need at the same time."""


def examine(names: Sequence[str] = ()) -> int:
    """Print what this machine can run, of the profiles named or of all; 0 if the kernel-only set can run, else 3.

    With profiles named it is 3, too, where one of them cannot run.
    """
    shown = console()
    labs, settings = list(kernel()), list(machine())
    there = list(implementations(names or tuple(available())))
    for finding in (*labs, *settings, *(there if names else ())):
        glyph = {True: "[green]ok[/]  ", False: "[red]no[/]  ", None: "[yellow]note[/]"}[finding.fine]
        shown.print(f"{glyph}  {finding.what}" + (f": {finding.advice}" if finding.advice else ""))
    if not names:
        for line in _grouped(there):
            shown.print(line)
    able = all(finding.fine is not False for finding in labs)
    shown.print("\n" + "\n".join(next_steps(able, there)))
    return 0 if able and (not names or all(finding.fine for finding in there)) else 3


def _grouped(there: Sequence[Diagnosis]) -> Iterator[str]:
    """The implementations by what is to be done: nothing, a package to install, or what stands in the way."""
    ready = [finding.name for finding in there if finding.fine]
    yield f"[green]ok[/]    {len(ready)} implementations are here: {_some(ready)}"
    rest = [finding for finding in there if not finding.fine]
    packaged = [finding.name for finding in rest if finding.packages]
    if packaged:
        yield f"[yellow]note[/]  {len(packaged)} need a package (see below): {_some(packaged)}"
    others: dict[str, list[str]] = {}
    for finding in rest:
        if not finding.packages:
            others.setdefault(finding.reason, []).append(finding.name)
    for reason, names in list(others.items())[:REASONS]:
        yield f"[yellow]note[/]  {len(names)} cannot run: {reason}: {_some(names)}"
    if len(others) > REASONS:
        count = sum(map(len, list(others.values())[REASONS:]))
        yield f"[yellow]note[/]  {count} more cannot run; `plugfest doctor PROFILE` says why"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def next_steps(able: bool, implementations: Sequence[Diagnosis]) -> Iterator[str]:
    """The next command to type, and what it is for."""
    if not able:
        yield "this machine cannot make labs, yet it judges what others recorded:"
        yield "next: plugfest judge DIR"
        return
    ready = sum(finding.fine is True for finding in implementations)
    yield "next: plugfest run                   the kernel-only set, in half a minute"
    yield f"then: plugfest run --all             all {ready} implementations that are here"
    packages = dict.fromkeys(name for finding in implementations for name in finding.packages)
    if packages:
        yield f"more: apt-get install {' '.join(packages)}"


def kernel() -> Iterator[Diagnosis]:
    """Whether labs can be made here at all."""
    command = [sys.executable, "-c", "import conformance.commands.doctor as d; d.try_links()"]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = tried.stdout.splitlines()
    who = "as root" if os.geteuid() == 0 else "without root, in a user namespace"
    if not lines:
        reason = tried.stderr.strip().splitlines()[-1:] or ["no reason given"]
        advice = "needs root, or unprivileged user namespaces (user.max_user_namespaces; AppArmor may restrict them)"
        yield Diagnosis(False, f"network namespaces {who}: {reason[0]}", advice)
        return
    yield Diagnosis(True, f"network namespaces {who}")
    for line in lines:
        kind, _, problem = line.partition(" ")
        advice = f"the kernel module {kind} is missing" if problem else ""
        yield Diagnosis(not problem, f"links of kind {kind}" + (f": {problem}" if problem else ""), advice)


def try_links() -> None:
    """In a process of its own: enter a sandbox's namespaces and try what the kernel-only profiles need."""
    from conformance.lab.kernel.namespace import CLONE_NEWNET, unshare
    from conformance.lab.sandbox.sandbox import CLONE_NEWUSER

    uid, gid = os.geteuid(), os.getegid()
    unshare(CLONE_NEWNET | (CLONE_NEWUSER if uid else 0))
    if uid:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    from pyroute2 import IPRoute

    with IPRoute() as netlink:
        kinds: dict[str, dict[str, object]] = {
            "bridge": {},
            "veth": {"peer": "try1p"},
            "vxlan": {"vxlan_id": 1, "vxlan_port": 4789},
        }
        for number, (kind, further) in enumerate(kinds.items()):
            try:
                netlink.link("add", ifname=f"try{number}", kind=kind, **further)
                print(kind)  # noqa: T201 - read by the parent
            except Exception as problem:
                print(kind, problem)  # noqa: T201


def machine() -> Iterator[Diagnosis]:
    """Settings of the machine that matter, and whether there is anything to do about them."""
    pinned = [
        f"{key} = {_setting(key)}"
        for key in ("net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter", "net.bridge.bridge-nf-call-iptables")
        if _setting(key)
    ]
    yield Diagnosis(True, f"{', '.join(pinned)}", "nothing to do, every lab sets its own")
    entries = _setting("net.ipv4.neigh.default.gc_thresh3")
    if entries.isdecimal():
        few = int(entries) < ENTRIES
        advice = f"raise it to {ENTRIES} if recordings are made again" if few else "nothing to do"
        yield Diagnosis(None if few else True, f"net.ipv4.neigh.default.gc_thresh3 = {entries}", advice)


def _setting(key: str) -> str:
    try:
        return Path("/proc/sys", key.replace(".", "/")).read_text().strip()
    except OSError:
        return ""


def implementations(names: Iterable[str]) -> Iterator[Diagnosis]:
    """These profiles: whether each implementation is here, with its version, or which package has it."""
    from conformance.adapters.interface import Unavailable
    from conformance.adapters.interface.registry import adapter_for, identified

    for name in names:
        try:
            profile = load(name)
            adapter = adapter_for(profile)
            identity = identified(adapter, profile)
        except UsageError as problem:
            yield Diagnosis(False, f"{name}: {problem}", name=name, reason=str(problem))
            continue
        if isinstance(identity, Unavailable):
            advice = f"apt-get install {' '.join(identity.packages)}" if identity.packages else ""
            what = f"{name}: unavailable: {identity.reason}"
            yield Diagnosis(None, what, advice, identity.packages, name, identity.reason)
        elif adapter.needs_root and os.geteuid() != 0:
            what = f"{name}: {identity.product} {identity.version}, but it needs root"
            yield Diagnosis(None, what, name=name, reason="they need root")
        else:
            yield Diagnosis(True, f"{name}: {identity.product} {identity.version}", name=name)
