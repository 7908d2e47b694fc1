"""What a run would do, in words: ``plugfest run --plan``."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.adapters.interface import Unavailable
from conformance.adapters.interface.registry import adapter_for, foreign_modules, identified
from conformance.family import scenarios
from conformance.judging.checks import checks
from conformance.profile import CONTROL, Profile
from conformance.running.run import Run


def lines(run: Run) -> Iterator[str]:
    """The plan of a run, a step a line: what is started, sent and judged for each implementation."""
    wanted = [check for check in checks() if run.selection.wants(check)]
    for name, profile in run.profiles.items():
        yield from _started(name, profile, ask=name not in run.handed_over)
        used = {check.scenario for check in wanted if any(i.recorded() for i in run.selection.instances(check))}
        for scenario in sorted(used):
            beds = ", ".join(run.selection.beds(profile))
            yield f"  record  {scenario} on {beds}: {scenarios()[scenario].title}"
        if name == CONTROL:
            yield "  judge   the same as below, as the control of everything else"
            continue
        for check in wanted:
            mine = [i for i in run.selection.instances(check) if i.profile.name == name]
            if not mine:
                continue
            out = sum(not instance.recorded() for instance in mine)
            note = f", {out} of them declared unsupported" if out else ""
            yield f"  judge   {check.requirement.id}: {len(mine)} outcomes{note}"


def _started(name: str, profile: Profile, *, ask: bool) -> Iterator[str]:
    """What an implementation is and what is started of it. A module of others is not loaded to know that, and what a
    profile of others names is not asked for its version."""
    files = foreign_modules(profile)
    if files:
        yield f"{name}: not known before it runs: only `run` loads {', '.join(file.name for file in files)}"
        return
    adapter = adapter_for(profile)
    identity = identified(adapter, profile) if ask else None
    if identity is None:
        yield f"{name}: only `run` asks for its version"
    elif isinstance(identity, Unavailable):
        yield f"{name}: unavailable: {identity.reason}"
    else:
        yield f"{name}: {identity.product} {identity.version}"
    yield from (f"  start   {line}" for line in adapter.plan())
