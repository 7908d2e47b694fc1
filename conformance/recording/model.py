"""What a recording holds, beside the frames: enough to judge again, anywhere, without the lab.

Times are integer nanoseconds of the recording machine's CLOCK_REALTIME, the clock of the frames' timestamps. Addresses
are strings without a scope id. `recording.json` is one `Record`; its JSON Schema is published by ``plugfest schema``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from conformance.policy.document import Policy
from conformance.profile import Profile
from conformance.testbed import Testbed
from conformance.validation import Strict

MOST_ATTEMPTS: Final = 100
"""How often one run records a scenario."""
AddressFamily = Literal["ipv4", "ipv6"]
FlowProtocol = Literal["tcp", "udp", "icmp", "ip"]
Path = Literal[
    "same-host", "cross-host", "inbound", "outbound", "from-host", "self", "published", "published-hairpin", "wire"
]
"""Where a flow runs: between endpoints of one host, of two hosts, from the client to an endpoint, from an endpoint to
the client, from a host to its own endpoint, from an endpoint to its own address, from the client to a published port,
from an endpoint of the same host (or itself) to a published port, or on the wire without endpoints."""

NOBODY: Final = "nobody"
"""The target of a flow to an address that no station has."""

Status = Literal["answered", "refused", "unreachable", "expired", "too-big", "timeout", "error"]
"""How a flow ended at its source: answered by the far end, TCP reset, ICMP unreachable, ICMP time exceeded, ICMP too
big, silence until the deadline, or a local error."""


class Socket(Strict):
    """One end of a flow: address and port (for ICMP echo the port is the echo identifier, 0 for bare IP)."""

    address: str
    port: int


class Answer(Strict):
    """What the far end saw of a flow: which server it was, its peer, and its own local address and port."""

    server: str
    peer: Socket
    local: Socket


class IcmpReport(Strict):
    """An ICMP or ICMPv6 error that reached the flow's socket: who sent it, type, code and the MTU it carried (or 0)."""

    offender: str
    type: int
    code: int
    mtu: int = 0


class Flow(Strict):
    """One probe and what became of it.

    `id` is in the payload of every packet of the flow, so frames of all taps are found by it. `local` is what the
    source's socket says of itself (getsockname), `dialled` what it sent to. `arrival` was written down inside the
    destination, `answer` is what the source got back from there. `ttl` is the TTL or hop limit sent, `size` the IP
    packet's size in bytes (0: ordinary), `intact` whether the payload arrived unchanged (None: not judged).
    """

    id: int
    purpose: str
    path: Path
    protocol: FlowProtocol
    family: AddressFamily
    source: str
    target: str
    dialled: Socket
    local: Socket | None = None
    number: int = 0
    ttl: int = 0
    size: int = 0
    dont_fragment: bool = False
    status: Status
    detail: str = ""
    report: IcmpReport | None = None
    arrival: Answer | None = None
    answer: Answer | None = None
    intact: bool | None = None
    tries: int = 1
    sent_ns: int = 0
    done_ns: int = 0


class Matrix(Strict):
    """Verdicts of a mesh of probes between all ordered pairs of `names`, without a record for each flow.

    Each of `tables` (answered, delivered, refused, unreachable, translated, diverted) holds a bit for every cell in the
    order (protocol, port, source, target), packed, compressed and in base64: see `recording.matrix`. Cells whose source
    is their target were not probed. `addresses` are the ends', in the order of `names`.
    """

    purpose: str
    family: AddressFamily
    protocols: tuple[FlowProtocol, ...]
    ports: tuple[int, ...]
    names: tuple[str, ...]
    addresses: tuple[str, ...]
    tables: Mapping[str, str]
    start_ns: int
    end_ns: int


class EventRow(Strict):
    """Something that happened at a moment, as it lies on disk: `where` is the host, endpoint, port or cable.

    `kind` is the word of a class of `conformance.recording.events`, or of one that a family of another distribution
    brings; `detail` holds the fields of that class. Written and read through these classes.
    """

    time_ns: int
    kind: str
    where: str = ""
    detail: Mapping[str, Any] = {}


class AddressState(Strict):
    """One address in the kernel: with prefix length, its scope and its flags (tentative, dadfailed, ...)."""

    address: str
    prefix_length: int
    scope: str
    flags: tuple[str, ...] = ()


class InterfaceState(Strict):
    """One interface as the kernel shows it."""

    name: str
    index: int
    kind: str = ""
    mac: str = ""
    mtu: int = 0
    up: bool = False
    master: str = ""
    addresses: tuple[AddressState, ...] = ()


class Snapshot(Strict):
    """State of one namespace at a moment, all structured; `where` is a host or an endpoint.

    `routes`, `neighbours`, `forwarding` (the FDB), `rules` (nftables, with counters) and `conntrack` are lists of flat
    tables; `sysctls` maps names to values; `further` is what an adapter explained, and the facts that families
    asked for (`conformance.recording.facts`).
    """

    time_ns: int
    moment: str
    where: str
    interfaces: tuple[InterfaceState, ...] = ()
    routes: tuple[Mapping[str, Any], ...] = ()
    neighbours: tuple[Mapping[str, Any], ...] = ()
    forwarding: tuple[Mapping[str, Any], ...] = ()
    rules: tuple[Mapping[str, Any], ...] = ()
    conntrack: tuple[Mapping[str, Any], ...] = ()
    sysctls: Mapping[str, str] = {}
    listeners: tuple[Mapping[str, Any], ...] = ()
    further: Mapping[str, Any] = {}


class EndpointState(Strict):
    """One endpoint: what the implementation reported of it, and what the kernel shows after attach and DAD's time."""

    name: str
    host: str
    interface: str
    attached_ns: int
    reported_addresses: tuple[str, ...] = ()
    reported_mac: str | None = None
    reported_mtu: int | None = None
    reported_gateways: tuple[str, ...] = ()
    kernel: InterfaceState
    tap: str
    publications: tuple[Mapping[str, Any], ...] = ()
    labels: Mapping[str, str] = {}
    tenant: str = ""


class PortState(Strict):
    """One port of the implementation: its name there, its interface and MAC address in the host's kernel (or none), the
    tap on it (empty where it is out of the kernel's sight), and tap and MAC address of the partner's end."""

    name: str
    host: str
    interface: str = ""
    mac: str = ""
    tap: str = ""
    partner: str
    partner_mac: str


class TapState(Strict):
    """One tap: the pcapng interface `number` (from 0) is `interface` in namespace `where`.

    `role` is uplink (a host's), port (a port with a partner), partner (the other end of its cable), endpoint, client,
    rack (a port of the top-of-rack), inside (other interfaces of a host) or observer (a station that takes no part).
    `dropped` counts frames that the tap lost: what rests on it is then inconclusive.
    """

    number: int
    name: str
    where: str
    interface: str
    role: Literal["uplink", "endpoint", "client", "rack", "inside", "port", "partner", "observer"]
    mac: str = ""
    captured: int
    dropped: int


class Canary(Strict):
    """A frame sent by the lab on purpose, with a nonce, to prove that its path and the tap there carry such frames."""

    nonce: str
    form: str
    where: str
    tap: str
    time_ns: int


class Window(Strict):
    """A time in which something is watched for; absence holds only if canaries before and after it were seen."""

    name: str
    start_ns: int
    end_ns: int
    canaries: tuple[Canary, ...] = ()


class Change(Strict):
    """What the kernel announced of a namespace (`where`) while it was watched: rtnetlink notifications, decoded.

    `what` is "neighbour" (`key` an IP address, `value` its MAC address, `state` the NUD state or "gone"), "forwarding"
    (a bridge's FDB: `key` a MAC address, `value` the port, `state` "gone" where the entry went), "address" (`key` an IP
    address, `value` its interface, `state` usable, tentative, duplicate or gone) or "link" (`key` an interface, `state`
    up, down or gone). `time_ns` is when the notification was read: never before the change, shortly after it.
    """

    time_ns: int
    where: str
    what: Literal["neighbour", "forwarding", "address", "link"]
    key: str
    value: str = ""
    state: str = ""


class Outage(Strict):
    """Probes of a stream that were lost in a row: sent from `start_ns` on, until `end_ns` when the next one that
    arrived was sent (or the stream ended: `recovered` is then false)."""

    start_ns: int
    end_ns: int
    lost: int
    recovered: bool = True


class Stream(Strict):
    """A steady one-way stream of datagrams to a moved endpoint, counted by sockets where the endpoint lives.

    `flow` is in the payload of every probe; taps keep one in `sampled`. `old` and `new` are how many arrived in the
    namespace of before and of after the move (the same one: before and after it was done). `first_new_ns` is when the
    first one arrived at the new place, `last_old_ns` when the last one did at the old (0: none). `answered` counts
    answers of a talking endpoint that came back, `first_answer_ns` the first one from the new place. `overflowed` are
    probes that the suite's own sockets had no room for.
    """

    flow: int
    endpoint: str
    path: Path
    family: AddressFamily
    source: str
    address: str
    started_ns: int
    ended_ns: int
    sent: int
    sampled: int
    old: int = 0
    new: int = 0
    last_old_ns: int = 0
    first_new_ns: int = 0
    answered: int = 0
    first_answer_ns: int = 0
    outages: tuple[Outage, ...] = ()
    overflowed: int = 0


class MoveState(Strict):
    """One move of one endpoint: `kind` as in the adapters' interface, `style` silent or talking.

    `source` and `target` are hosts. The implementation was asked at `started_ns` and said that it was done at
    `done_ns`; the endpoint was watched until `ended_ns`. `before` and `after` are its interface, `tap_before` and
    `tap_after` the taps there, `place_before` and `place_after` the names under which its namespaces were watched.
    `problem` is why the implementation did not move it, in its words.
    """

    endpoint: str
    kind: Literal["migrate", "restart", "failover", "crash"]
    style: Literal["silent", "talking"]
    source: str
    target: str
    started_ns: int
    done_ns: int = 0
    ended_ns: int = 0
    before: InterfaceState
    after: InterfaceState | None = None
    tap_before: str
    tap_after: str
    place_before: str
    place_after: str
    problem: str | None = None


class IdentityState(Strict):
    """What the implementation reported of itself."""

    product: str
    version: str
    details: Mapping[str, str] = {}


class Record(Strict):
    """One scenario, done once to one implementation on one testbed."""

    schema_version: Annotated[Literal[1], Field(alias="schema")] = 1
    suite: str
    scenario: str
    variant: Literal["fast", "thorough"] = "fast"
    attempt: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS)] = 1
    fault: str | None = None
    profile: Profile
    identity: IdentityState
    testbed: Testbed
    kernel: str
    processors: int
    load: tuple[float, float, float]
    rootless: bool
    started_ns: int
    finished_ns: int
    made_again: tuple[str, ...] = ()
    """Why earlier recordings of the same were thrown away: the machine disturbed them."""
    problem: str | None = None
    """A precondition that failed, in one sentence: what rests on this recording is inconclusive."""
    endpoints: tuple[EndpointState, ...] = ()
    ports: tuple[PortState, ...] = ()
    flows: tuple[Flow, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    policies: tuple[Policy, ...] = ()
    """Those that were applied, in that order, with their stations placed."""
    events: tuple[EventRow, ...] = ()
    windows: tuple[Window, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    taps: tuple[TapState, ...] = ()
    moves: tuple[MoveState, ...] = ()
    streams: tuple[Stream, ...] = ()
    changes: tuple[Change, ...] = ()
    figures: Mapping[str, float] = {}
    logs: tuple[str, ...] = ()
