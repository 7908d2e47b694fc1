"""Recordings made by hand: the record and the capture of something that never ran."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_interface
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import conformance
from conformance import profile as profiles
from conformance import testbed as testbeds
from conformance.judging.case import Case, judge
from conformance.profile import Profile
from conformance.recording import model
from conformance.recording.events import Event, row_of
from conformance.recording.model import (
    Answer,
    EndpointState,
    Flow,
    FlowProtocol,
    IdentityState,
    InterfaceState,
    PortState,
    Record,
    Snapshot,
    Socket,
    Status,
    TapState,
    Window,
)
from conformance.recording.pcapng import Writer
from conformance.recording.store import Recording
from conformance.testbed import Testbed
from conformance.verdict import Judgement

BEGAN: Final = 1_767_225_600_000_000_000
"""When every recording made by hand begins: the first moment of 2026 (UTC), in ns."""
ADDRESSES: Final = ("192.0.2.1/24", "2001:db8::1/64")
"""Addresses of an endpoint that is given none (RFC 5737, RFC 3849)."""
MAC: Final = "00:00:5e:00:53:01"
"""A MAC address for documentation (RFC 7042 §2.1.2)."""
Role = Literal["uplink", "endpoint", "client", "rack", "inside", "port", "partner", "observer"]


class Frame(NamedTuple):
    """A frame as a tap saw it: `tap` is ``where:interface``, `after` how long after the recording began, in s.

    `flags` are those of the capture file (``FLAG_OUTBOUND`` and others of `conformance.recording.capture`).
    """

    tap: str
    data: bytes
    after: float = 0.0
    flags: int = 0


def recording(
    *,
    profile: str | Profile = "flat-bridge",
    testbed: str | Testbed = "same-subnet",
    scenario: str = "reachability",
    endpoints: Iterable[EndpointState] = (),
    ports: Iterable[PortState] = (),
    flows: Iterable[Flow] = (),
    events: Iterable[Event] = (),
    windows: Iterable[Window] = (),
    snapshots: Iterable[Snapshot] = (),
    frames: Iterable[Frame] = (),
    problem: str | None = None,
) -> Recording:
    """A recording of `scenario`, done to `profile` on `testbed` (names, paths, or the models), with only this in it.

    Frames are put in the order of their times. There is a tap for each endpoint, for each end of a port, and for each
    place where a frame was seen; none of them lost anything. Raises UsageError where a name is not known.
    """
    made = profiles.load(profile) if isinstance(profile, str) else profile
    attached, cabled = tuple(endpoints), tuple(ports)
    ordered = sorted(frames, key=lambda frame: frame.after)
    roles = _roles(attached, cabled, ordered)
    record = Record(
        **_machine(),
        scenario=scenario,
        profile=made,
        identity=IdentityState(product=made.title, version="made by hand"),
        testbed=testbeds.load(testbed) if isinstance(testbed, str) else testbed,
        problem=problem,
        endpoints=attached,
        ports=cabled,
        flows=tuple(flows),
        events=tuple(row_of(event) for event in events),
        windows=tuple(windows),
        snapshots=tuple(snapshots),
        taps=tuple(_tap(number, name, roles[name], ordered) for number, name in enumerate(roles)),
    )
    return Recording(Path("made-by-hand"), record, _capture(list(roles), ordered))


def endpoint(
    name: str,
    host: str = "h1",
    *,
    interface: str = "eth0",
    addresses: Sequence[str] = ADDRESSES,
    mac: str = MAC,
    mtu: int = 1500,
    up: bool = True,
) -> EndpointState:
    """An endpoint whose kernel shows what was reported of it; addresses are ``address/prefix length``."""
    shown = [ip_interface(address) for address in addresses]
    kernel = InterfaceState(
        name=interface,
        index=2,
        kind="veth",
        mac=mac,
        mtu=mtu,
        up=up,
        addresses=tuple(
            model.AddressState(address=str(one.ip), prefix_length=one.network.prefixlen, scope="global")
            for one in shown
        ),
    )
    return EndpointState(
        name=name,
        host=host,
        interface=interface,
        attached_ns=BEGAN,
        reported_addresses=tuple(addresses),
        reported_mac=mac,
        reported_mtu=mtu,
        kernel=kernel,
        tap=f"{name}:{interface}",
    )


def flow(
    source: str,
    target: str,
    *,
    number: int = 1,
    purpose: str = "reach",
    path: model.Path = "same-host",
    protocol: FlowProtocol = "udp",
    family: model.AddressFamily = "ipv4",
    status: Status = "answered",
    addresses: tuple[str, str] | None = None,
    port: int = 8080,
) -> Flow:
    """A probe from `source` to `target`, and what became of it: `number` is its id in the recording.

    `addresses` are those of source and target. One that was answered arrived as it was sent; no other arrived.
    """
    here, there = addresses or (("192.0.2.1", "192.0.2.2") if family == "ipv4" else ("2001:db8::1", "2001:db8::2"))
    local, dialled = Socket(address=here, port=40_000), Socket(address=there, port=port)
    reached = status == "answered"
    return Flow(
        id=number,
        purpose=purpose,
        path=path,
        protocol=protocol,
        family=family,
        source=source,
        target=target,
        dialled=dialled,
        local=local,
        status=status,
        arrival=Answer(server=target, peer=local, local=dialled) if reached else None,
        answer=Answer(server=target, peer=local, local=dialled) if reached else None,
        intact=True if reached else None,
        sent_ns=BEGAN,
        done_ns=BEGAN + 1_000_000,
    )


def after(seconds: float) -> int:
    """The moment that long after the recording began, in ns: what events and flows are stamped with."""
    return BEGAN + round(seconds * 1e9)


def snapshot(where: str, moment: str = "after", *, time_ns: int = BEGAN, **tables: Any) -> Snapshot:
    """The tables of a host or an endpoint at a moment.

    ``neighbours=[{...}]``, ``routes``, ``forwarding`` and ``rules`` are rows; ``interfaces``, ``sysctls`` and more are
    as in `conformance.recording.model.Snapshot`.
    """
    rows = {name: tuple(table) if isinstance(table, list) else table for name, table in tables.items()}
    return Snapshot(time_ns=time_ns, moment=moment, where=where, **rows)


def judged(check: Callable[[Case], None], made: Recording, **parameters: str) -> Judgement:
    """What a check decides of a recording with these parameters (``family="ipv4"``), as a run would."""
    return judge(check, Case(made, parameters))


def _machine() -> dict[str, Any]:
    """When and on what it would have been made."""
    return {
        "suite": conformance.__version__,
        "kernel": "6",
        "processors": 1,
        "load": (0.0, 0.0, 0.0),
        "rootless": True,
        "started_ns": BEGAN,
        "finished_ns": BEGAN + 1_000_000_000,
    }


def _roles(endpoints: Sequence[EndpointState], ports: Sequence[PortState], frames: Sequence[Frame]) -> dict[str, Role]:
    """Every tap by name, with what it is a tap of."""
    known: dict[str, Role] = {one.tap: "endpoint" for one in endpoints}
    known |= {one.tap: "port" for one in ports if one.tap}
    known |= {one.partner: "partner" for one in ports}
    for frame in frames:
        where = frame.tap.partition(":")[0]
        places: dict[str, Role] = {"client": "client", "rack": "rack", **{one.name: "endpoint" for one in endpoints}}
        known.setdefault(frame.tap, places.get(where, "uplink"))
    return known


def _tap(number: int, name: str, role: Role, frames: Sequence[Frame]) -> TapState:
    where, _, interface = name.partition(":")
    captured = sum(frame.tap == name for frame in frames)
    return TapState(number=number, name=name, where=where, interface=interface, role=role, captured=captured, dropped=0)


def _capture(taps: Sequence[str], frames: Sequence[Frame]) -> bytes:
    """The capture file."""
    stream = io.BytesIO()
    writer = Writer(stream, application=f"plugfest {conformance.__version__}")
    for name in taps:
        writer.interface(name)
    for frame in frames:
        writer.frame(taps.index(frame.tap), BEGAN + round(frame.after * 1e9), frame.data, flags=frame.flags)
    return stream.getvalue()
