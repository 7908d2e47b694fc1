"""The neighbours that an LLDP agent shows, asked for while partners go on."""

from __future__ import annotations

from collections.abc import Sequence

from conformance.adapters.interface import AdapterError
from conformance.adapters.interface.lldp import LldpNeighbour, Neighbouring
from conformance.provoking.ports import Link, aside
from conformance.recording.events.tables import TableNotShown


async def ask(link: Link, subject: Neighbouring, moment: str) -> Sequence[LldpNeighbour] | None:
    """What the agent shows on this port. None where it is not understood, which is written down: what passes on the
    wire is judged all the same."""
    try:
        return await aside(subject.neighbours, link.port)
    except AdapterError as problem:
        link.event(TableNotShown(what="neighbours", moment=moment, problem=str(problem)))
        return None
