"""What scenarios of pairs share: cables that join a port of one implementation to a port of the other, both watched.

Our ends of both ports lie side by side; every frame that comes out of one goes into the other. So the carrier of both
ends can be taken away, a cable can be made deaf while its lights stay on, and a storm is cut at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from conformance.adapters.interface import AdapterError, power_of
from conformance.adapters.interface.ports import Paired
from conformance.lab.partners.relay import Relay
from conformance.provoking.context import Context
from conformance.provoking.ports import Link, aside, carrier, run_together
from conformance.provoking.views import show
from conformance.recording.events import Event
from conformance.recording.events.meeting import BlackHoleBegun, BlackHoleEnded, CableJoined

LOOP_LIMIT: Final = 16
"""Copies of one frame on a cable at which it is cut."""


@dataclass(frozen=True)
class PatchedLink:
    """A cable between the two: its name, its ends (the left one's first), and what carries the frames."""

    name: str
    ends: tuple[Link, Link]
    relay: Relay

    def event(self, event: Event) -> None:
        """Write down that something happened to this cable now."""
        self.ends[0].context.event(replace(event, where=self.name))

    @contextmanager
    def carrier_down(self) -> Iterator[None]:
        """Both ends without carrier."""
        with carrier(self.ends[0], up=False), carrier(self.ends[1], up=False):
            yield

    @contextmanager
    def black_hole(self) -> Iterator[None]:
        """Nothing passes, and both ends keep their carrier."""
        self.relay.muted = True
        self.event(BlackHoleBegun())
        try:
            yield
        finally:
            self.relay.muted = False
            self.event(BlackHoleEnded())


def subjects_of(context: Context) -> tuple[Any, ...]:
    """The subjects of the two implementations, the left one first. Raises AdapterError where there is only one."""
    pair = power_of(context.subject, Paired)
    if pair is None:
        raise AdapterError("it is one implementation; a pair is needed (see adapters/interface/ports.py, Paired)")
    return pair.sides


Steps = Callable[[Sequence[Sequence[Link]]], Coroutine[Any, Any, None]]
"""What is done on the ports of both: those of the left one, and those of the right one."""


def cabled(context: Context, per_side: int, script: Steps) -> None:
    """Run a script on the ports of both, so many each. Raises AdapterError where one has fewer."""
    several = len(subjects_of(context))

    async def split(links: Sequence[Link]) -> None:
        hosts = list(dict.fromkeys(link.port.host for link in links))
        sides = [[link for link in links if link.port.host == host] for host in hosts]
        if len(sides) != several or any(len(side) < per_side for side in sides):
            raise AdapterError(f"{per_side} ports are needed on each side")
        await script(sides)

    run_together(context, split)


@asynccontextmanager
async def patch(context: Context, lefts: Sequence[Link], rights: Sequence[Link]) -> AsyncIterator[list[PatchedLink]]:
    """These ports cabled to each other, one to one, for as long as it is open."""
    with ExitStack() as cables:
        made = []
        for left, right in zip(lefts, rights, strict=True):
            relay = cables.enter_context(Relay([left.wire, right.wire], LOOP_LIMIT))
            made.append(PatchedLink(f"{left.name}--{right.name}", (left, right), relay))
            context.event(CableJoined(where=made[-1].name, left=left.name, right=right.name))
        yield made


async def shown(link: Link, side: int, what: str, ask: Callable[[Any], Sequence[Any] | None]) -> None:
    """Have a side show something of its own view; write it down as rows with when it was asked, or why there is none.

    `ask` is given the side's subject, and returns None where that shows no such thing.
    """
    await aside(show, link.context, link.port.host, what, partial(ask, subjects_of(link.context)[side]))


async def both(context: Context, do: Callable[[int, Any], None]) -> None:
    """Call something that blocks for both subjects at the same time: with 0 and the left one, 1 and the right one."""
    async with asyncio.TaskGroup() as group:
        for number, subject in enumerate(subjects_of(context)):
            group.create_task(aside(do, number, subject))
