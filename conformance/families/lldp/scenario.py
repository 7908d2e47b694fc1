"""Link layer discovery: the agent is left alone, met, lied to, disabled, made to tell much, and ended; all at once.

Each port serves another purpose, so that the timers of all run at the same time. The first is never spoken to: what it
sends is the steady state. The second meets a neighbour that ages, the third one that comes with malformed LLDPDUs and
takes leave, the fourth is disabled and enabled. Then, on all of them, many local changes, and the end of the agent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from conformance import limits
from conformance.adapters.interface import power_of
from conformance.adapters.interface.lldp import (
    Administering,
    AgentTimers,
    Beginning,
    Discovering,
    Leaving,
    Neighbouring,
    Renaming,
)
from conformance.lab.partners.wire import silence
from conformance.protocols.lldp import frames as lldp
from conformance.provoking.context import Context
from conformance.provoking.neighbours import ask
from conformance.provoking.ports import Link, aside, run_together, window
from conformance.recording.events.discovery import (
    Advertised,
    AgentEndAsked,
    AgentEnded,
    AgentSwitched,
    AgentSwitchedBack,
    AgentTimersKnown,
    MalformedAdvertised,
    Moment,
    NeighboursShown,
    SystemRenamed,
)

STEADY_INTERVALS = {"fast": 2, "thorough": 4}
CHANGES = 20


def run(context: Context) -> None:
    """Everything that the agent can be asked to do."""
    beginning = power_of(context.subject, Beginning)
    if beginning is not None:
        beginning.discover()
    agent = power_of(context.subject, Discovering)
    timers = AgentTimers() if agent is None else agent.timers()
    context.event(AgentTimersKnown(interval=timers.interval, hold=timers.hold, fast_count=timers.fast_count))
    context.figures["protocol window s"] = asked_for(context, timers)

    async def whole(links: Sequence[Link]) -> None:
        steady, met, lied_to, administered = links
        async with window(context, "steady", links), asyncio.TaskGroup() as group:
            group.create_task(_steady(steady, timers))
            group.create_task(_meet(met))
            group.create_task(_mislead(lied_to))
            group.create_task(_administer(administered, timers))
        await _change(links)
        await _leave(context, links)

    run_together(context, whole)
    context.snapshot("after")


def asked_for(context: Context, timers: AgentTimers) -> float:
    """The longest chain of waits that the clauses themselves ask for, in s: fast start, the intervals that are judged,
    then changes and the last of them told, then the end."""
    changes = limits.LLDP_CHANGES + limits.LLDP_LAST_STATE if "lldp-changes" in context.claims else 0.0
    return limits.LLDP_FAST_START + _intervals(context, timers) * timers.interval + changes + limits.LLDP_PROMPT


def _intervals(context: Context, timers: AgentTimers) -> int:
    return 1 if context.variant == "fast" and timers.interval > limits.LLDP_LONG else STEADY_INTERVALS[context.variant]


async def _settled(link: Link) -> None:
    """Until the agent is in its steady state: after its first LLDPDU, which may have been sent before we listened, and
    what follows fast on it."""
    await link.wire.first(_is_lldp, limits.LLDP_PROMPT)
    await silence(limits.LLDP_FAST_START)


def _is_lldp(frame: bytes) -> bool:
    return lldp.parse(frame) is not None


async def _next(link: Link, timers: AgentTimers) -> None:
    """Until the agent's next LLDPDU, or until that is overdue."""
    await link.wire.first(_is_lldp, timers.interval + limits.LLDP_LATE + limits.LLDP_BUSY)


async def _steady(link: Link, timers: AgentTimers) -> None:
    """Say nothing for as many intervals as are judged; ends with an LLDPDU: what follows is far from the next."""
    await _settled(link)
    for _ in range(_intervals(link.context, timers)):
        await _next(link, timers)


def _advertise(link: Link, name: str, ttl: int, *extra: bytes) -> None:
    """Tell of a neighbour `name`, valid for `ttl` seconds."""
    tlvs = [*lldp.mandatory(*lldp.local_ids(name, link.port.partner), ttl), *extra]
    link.send(lldp.frame_of(link.wire.mac, tlvs), Advertised(chassis=name, ttl=ttl))


async def _view(link: Link, moment: Moment) -> None:
    """Ask the agent for its neighbours on this port, and write down what it shows."""
    subject = power_of(link.context.subject, Neighbouring)
    if subject is None or "lldp-receive" not in link.context.claims:
        return
    asked = time.time_ns()
    known = await ask(link, subject, moment)
    if known is not None:
        shown = tuple(one.chassis for one in known)
        link.event(NeighboursShown(moment=moment, asked_ns=asked, chassis=shown))


async def _meet(link: Link) -> None:
    """A neighbour that nobody knew, which falls silent and ages."""
    await _settled(link)
    await _view(link, "alone")
    begin = time.monotonic()
    _advertise(link, "mortal", limits.LLDP_TTL_SHORT)
    await silence(limits.LLDP_PROMPT)
    await _view(link, "learned")
    await silence(begin + limits.LLDP_TTL_SHORT - limits.LLDP_AGEING - time.monotonic())
    await _view(link, "valid")
    await silence(begin + limits.LLDP_TTL_SHORT + limits.LLDP_AGEING - time.monotonic())
    await _view(link, "aged")


def malformed(link: Link) -> dict[str, list[bytes]]:
    """LLDPDUs that a receiver discards (§9.2.7.7.1), by the name that is their Chassis ID, if they have one.

    Those named ``resident-...`` have the identity of a neighbour that is known.
    """
    port = link.port.partner

    def good(name: str, ttl: int = limits.LLDP_TTL_LONG) -> list[bytes]:
        return lldp.mandatory(*lldp.local_ids(name, port), ttl)

    swapped = good("order")
    resident = good("resident", 1)
    return {
        "no-ttl": good("no-ttl")[:2],
        "order": [swapped[1], swapped[0], swapped[2]],
        "twice": [*good("twice"), good("twice")[1]],
        "short-ttl": [*good("short-ttl")[:2], lldp.tlv(lldp.TTL, b"\0")],
        "no-chassis": good("no-chassis")[1:],
        "empty-port": [good("empty-port")[0], lldp.tlv(lldp.PORT, b"\7"), good("empty-port")[2]],
        "beyond": [*good("beyond"), lldp.tlv(lldp.SYSTEM_NAME, b"x", length=500)],
        "resident-order": [resident[0], resident[2], resident[1]],
        "resident-no-ttl": resident[:2],
        "empty": [],
    }


async def _mislead(link: Link) -> None:
    """A neighbour that is known, malformed LLDPDUs of its own and of others, one with unknown TLVs, and its leave."""
    await _settled(link)
    _advertise(link, "resident", limits.LLDP_TTL_LONG)
    await silence(limits.LLDP_PROMPT)
    await _view(link, "resident")
    for name, tlvs in malformed(link).items():
        link.send(lldp.frame_of(link.wire.mac, tlvs, end=name != "beyond"), MalformedAdvertised(chassis=name))
        await silence(limits.LLDP_APART)
    _advertise(
        link, "novel", limits.LLDP_TTL_LONG, lldp.tlv(99, b"of the future"), lldp.tlv(127, b"\0\0\x5e\xff" + b"unknown")
    )
    await silence(limits.LLDP_PROMPT)
    await _view(link, "misled")
    _advertise(link, "resident", 0)
    await silence(limits.LLDP_PROMPT)
    await _view(link, "taken leave")


async def _administer(link: Link, timers: AgentTimers) -> None:
    """Disable the port's agent and enable it at once, shortly before it would send."""
    subject = power_of(link.context.subject, Administering)
    if subject is None or "lldp-admin" not in link.context.claims:
        return
    await _next(link, timers)
    await silence(timers.interval - limits.LLDP_BEFORE_NEXT)
    link.event(AgentSwitched(on=False))
    await aside(lambda: subject.administer(link.port, on=False))
    link.event(AgentSwitched(on=True))
    await aside(lambda: subject.administer(link.port, on=True))
    link.event(AgentSwitchedBack())
    await silence(limits.LLDP_REINIT + limits.LLDP_BUSY)


async def _change(links: Sequence[Link]) -> None:
    """Many local changes in a short time; the last is waited for."""
    context = links[0].context
    subject = power_of(context.subject, Renaming)
    if subject is None or "lldp-changes" not in context.claims:
        return
    last = f"changed-{CHANGES}"

    def timers(frame: bytes) -> bool:
        pdu = lldp.parse(frame)
        name = pdu.first(lldp.SYSTEM_NAME) if pdu is not None else None
        return name is not None and name.value == last.encode()

    async with window(context, "changes", links):
        begin = time.monotonic()
        seen = asyncio.create_task(links[0].wire.first(timers, limits.LLDP_CHANGES + limits.LLDP_LAST_STATE))
        for number in range(1, CHANGES + 1):
            await silence(begin + number * limits.LLDP_CHANGES / CHANGES - time.monotonic())
            await aside(subject.rename, f"changed-{number}")
        context.event(SystemRenamed(system=last))
        await seen
        await silence(limits.LLDP_PROMPT)


async def _leave(context: Context, links: Sequence[Link]) -> None:
    """End the agent."""
    subject = power_of(context.subject, Leaving)
    if subject is None:
        return
    async with window(context, "leaving", links):
        context.event(AgentEndAsked())
        await aside(subject.leave)
        context.event(AgentEnded())
        await silence(limits.LLDP_PROMPT)
