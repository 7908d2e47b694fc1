"""What this machine can run: namespaces, kernel features, the settings that turn verdicts round, and the peers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at; `fine` None means that it is only worth knowing, `packages` would provide it."""

    fine: bool | None
    what: str
    advice: str = ""
    packages: tuple[str, ...] = ()


def examine() -> int:
    """Print every finding; 0 if the kernel-only set can run here, else 3."""
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    labs, others, there = list(kernel()), list(machine()), list(implementations())
    for finding in (*labs, *others, *there):
        glyph = {True: "[green]ok[/]  ", False: "[red]no[/]  ", None: "[yellow]note[/]"}[finding.fine]
        console.print(f"{glyph}  {finding.what}" + (f"\n      {finding.advice}" if finding.advice else ""))
    able = all(finding.fine is not False for finding in labs)
    console.print("\n" + "\n".join(next_steps(able, there)))
    return 0 if able else 3


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
    """Settings of the machine that turn verdicts round on it elsewhere; labs pin their own."""
    for key, meaning in (
        ("net/ipv4/ip_forward", "dockerd's FORWARD policy follows it at start; labs pin it to 0"),
        ("net/ipv4/conf/all/rp_filter", "drops asymmetric replies; labs pin it to 0"),
        ("net/bridge/bridge-nf-call-iptables", "br_netfilter: bridged frames pass iptables; labs pin it to 0"),
        ("net/ipv4/neigh/default/gc_thresh3", "neighbour entries over all namespaces together"),
    ):
        path = Path("/proc/sys", key)
        if path.exists():
            yield Diagnosis(None, f"{key.replace('/', '.')} = {path.read_text().strip()}: {meaning}")


def implementations() -> Iterator[Diagnosis]:
    """Every profile that ships: whether its implementation is here, with its version, or which package has it."""
    from conformance.adapters.interface import Unavailable
    from conformance.adapters.interface.registry import adapter_for, identified
    from conformance.errors import UsageError
    from conformance.profile import available, load

    for name in available():
        try:
            profile = load(name)
            adapter = adapter_for(profile)
            identity = identified(adapter, profile)
        except UsageError as problem:
            yield Diagnosis(False, f"{name}: {problem}")
            continue
        if isinstance(identity, Unavailable):
            advice = f"apt-get install {' '.join(identity.packages)}" if identity.packages else ""
            yield Diagnosis(None, f"{name}: unavailable: {identity.reason}", advice, identity.packages)
        elif adapter.needs_root and os.geteuid() != 0:
            yield Diagnosis(None, f"{name}: {identity.product} {identity.version}, but it needs root")
        else:
            yield Diagnosis(True, f"{name}: {identity.product} {identity.version}")
