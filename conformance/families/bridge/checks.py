"""What a bridge does with frames: floods the unknown, learns, forgets, filters, and keeps reserved addresses."""

from __future__ import annotations

from collections.abc import Iterable

from conformance import limits
from conformance.judging.case import Case
from conformance.judging.groups import arrivals
from conformance.judging.register import check
from conformance.judging.timing import SECOND, slack
from conformance.protocols import numbered
from conformance.protocols.lacp import frames as lacp
from conformance.protocols.lldp import frames as lldp
from conformance.protocols.mac import mac_text
from conformance.protocols.reserved import RESERVED
from conformance.recording.events.bridging import BridgeReady, FrameSent, ReservedSent
from conformance.recording.model import PortState

PORTS = 4
ADDRESSES = tuple(address.replace(":", "-") for address in RESERVED)


def _sent(case: Case, conversation: int) -> list[FrameSent]:
    return [one for one in case.all(FrameSent) if one.conversation == conversation]


def _seen(case: Case, port: PortState, conversation: int, number: int | None = None) -> list[int]:
    """Numbers of the frames of a conversation that came out of a port."""
    return [
        one.number
        for one in arrivals(case, port)
        if one.what.conversation == conversation and number in (None, one.what.number)
    ]


def _ports(case: Case) -> list[PortState]:
    """The four ports. Requires that the controls of the whole recording crossed the bridge."""
    ports = list(case.recording.record.ports)
    case.require(len(ports) >= PORTS, "the scenario had fewer than four ports")
    for port in ports:
        case.tap(port.partner)
    controls = _sent(case, numbered.CONTROL)
    case.require(controls, "the scenario sent no control frames")
    lost = [one for one in controls for port in ports[1:] if not _seen(case, port, numbered.CONTROL, one.number)]
    case.require(not lost, f"{len(lost)} control broadcasts did not cross the bridge: absence is not proved")
    return ports[:PORTS]


def _expect_once(case: Case, port: PortState, conversation: int, expected: str, number: int | None = None) -> None:
    seen = _seen(case, port, conversation, number)
    case.expect(len(seen) == 1, expected=expected, seen=f"it came {len(seen)} times out of {port.name}", frames=seen)


def _expect_nowhere(
    case: Case, ports: Iterable[PortState], conversation: int, expected: str, number: int | None = None
) -> None:
    for port in ports:
        seen = _seen(case, port, conversation, number)
        case.expect(not seen, expected=expected, seen=f"{len(seen)} came out of {port.name}", frames=seen)


@check("bridge.flooding", scenario="bridge")
def test_unknown_and_broadcast_are_flooded(case: Case) -> None:
    """A frame to everybody or to a station that nobody knows leaves every other port, once."""
    ports = _ports(case)
    case.require(_sent(case, numbered.FLOODED), "no frame was sent to an unknown station")
    for conversation, what in ((numbered.FLOODED, "a frame to an unknown station"), (numbered.CONTROL, "a broadcast")):
        for port in ports[1:]:
            for one in _sent(case, conversation):
                _expect_once(case, port, conversation, f"{what} leaves every other port once", one.number)


@check("bridge.learning", scenario="bridge")
def test_stations_are_learned(case: Case) -> None:
    """A frame to a station that has spoken leaves by the port where it spoke, and by no other."""
    first, _, *others = _ports(case)
    case.require(_sent(case, numbered.LEARNED), "no frame was sent to a station that had spoken")
    _expect_once(case, first, numbered.LEARNED, "a frame to a station that has spoken reaches it, once")
    _expect_nowhere(case, others, numbered.LEARNED, "a frame to a station that has spoken leaves by no other port")


@check("bridge.no-reflection", scenario="bridge")
def test_nothing_goes_back(case: Case) -> None:
    """No frame leaves by the port where it arrived, and one between stations of the same port leaves by none."""
    first, second, *others = _ports(case)
    for port, conversations in (
        (first, (numbered.FLOODED, numbered.CONTROL, numbered.OWN_PORT)),
        (second, (numbered.LEARNED,)),
    ):
        for conversation in conversations:
            _expect_nowhere(case, [port], conversation, "no frame leaves by the port where it arrived")
    learned = not any(_seen(case, port, numbered.LEARNED) for port in others)
    if learned:
        kept = "a frame between stations of one port stays there"
        _expect_nowhere(case, [second, *others], numbered.OWN_PORT, kept)


@check("bridge.reserved-not-forwarded", scenario="bridge", address=ADDRESSES)
def test_reserved_addresses_are_not_forwarded(case: Case) -> None:
    """A frame to a reserved address leaves by no other port."""
    _expect_kept(case, case.parameters["address"].replace("-", ":"))


@check("lacp.not-forwarded", scenario="bridge")
def test_lacpdus_are_not_forwarded(case: Case) -> None:
    """A LACPDU that arrives at a bridge leaves by no other port."""
    _expect_kept(case, lacp.GROUP)


@check("lldp.not-forwarded", scenario="bridge")
def test_lldpdus_are_not_forwarded(case: Case) -> None:
    """LLDP to the nearest bridge leaves by no other port."""
    _expect_kept(case, mac_text(lldp.NEAREST_BRIDGE))


def _expect_kept(case: Case, address: str) -> None:
    ports = _ports(case)
    sent = [one for one in case.all(ReservedSent) if one.address == address]
    case.require(sent, f"no frame was sent to {address}")
    index = case.recording.frames
    rows = index.find(bytes.fromhex(sent[0].nonce))
    taps = {port.partner: port.name for port in ports[1:]}
    out = [int(row) for row in rows if index.taps[index.tap[row]] in taps and not index.outbound[row]]
    case.require(len(rows) > 0, f"the frame to {address} was seen on no tap")
    where = sorted({taps[index.taps[index.tap[row]]] for row in out})
    case.expect(
        not out,
        expected=f"a frame to {address} is not forwarded",
        seen=f"it came out of {', '.join(where)}",
        frames=[row + 1 for row in out],
    )


def _last(case: Case, conversation: int, otherwise: str) -> int:
    """The last of the frames to a station that has moved: those before it left while the bridge had time to learn,
    which a figure tells."""
    sent = _sent(case, conversation)
    case.require(sent, otherwise)
    case.figures["reached after s"] = round((sent[-1].time_ns - sent[0].time_ns) / SECOND, 1)
    return sent[-1].number


@check("bridge.move-learned", scenario="bridge")
def test_a_move_is_learned(case: Case) -> None:
    """A station that announces itself from another port is reached there from then on."""
    first, _, third, fourth = _ports(case)
    last = _last(case, numbered.MOVED, "no frame was sent to the station that moved")
    expected = "frames to a station come out of the port where it announced itself"
    _expect_once(case, third, numbered.MOVED, expected, last)
    _expect_nowhere(case, [first], numbered.MOVED, "a station that has moved is not looked for at its old port", last)
    flooded = _seen(case, fourth, numbered.MOVED, last)
    if flooded:
        case.note("the frame was flooded: stations are not learned")


@check("move.bridge-relearns", scenario="bridge")
def test_the_first_frame_moves_a_station(case: Case) -> None:
    """Whatever a station sends first from another port moves it there: nothing for it comes out of an old port."""
    first, _, third, fourth = _ports(case)
    spoke = [one for one in _sent(case, numbered.SPOKEN) if one.number == 1002]
    case.require(spoke, "the station said nothing at its new port")
    last = _last(case, numbered.RELEARNED, "no frame was sent to the station that moved once more")
    expected = "frames to a station come out of the port where it last sent anything"
    _expect_once(case, fourth, numbered.RELEARNED, expected, last)
    left = "nothing for a station that has moved comes out of the ports that it has left"
    _expect_nowhere(case, [first, third], numbered.RELEARNED, left, last)


@check("bridge.ageing", scenario="bridge")
def test_stations_are_forgotten(case: Case) -> None:
    """A station that is silent for the ageing time is forgotten, and not before."""
    ports = _ports(case)
    case.require(_seen(case, ports[3], numbered.FLOODED), "frames to unknown stations are not flooded")
    case.require(not _seen(case, ports[3], numbered.LEARNED), "stations are not learned")
    ageing = case.the(BridgeReady, otherwise="the bridge was never ready").ageing
    spoke = [one for one in _sent(case, numbered.SPOKEN) if one.number == 1001]
    case.require(spoke, "the station never spoke")
    probes = {one.number: (one.time_ns - spoke[0].time_ns) / SECOND for one in _sent(case, numbered.AGED)}
    case.require(probes, "no frame was sent to the station")
    known = limits.BRIDGE_KNOWN * ageing - limits.BRIDGE_ASKED - slack(case)
    early = [number for number, after in probes.items() if after < known]
    case.require(early, "no frame was sent to the station within the ageing time")
    flooded = {
        one.what.number: one.number for one in arrivals(case, ports[3]) if one.what.conversation == numbered.AGED
    }
    soon = sorted(set(early) & set(flooded))
    case.expect(
        not soon,
        expected=f"a station that spoke is known for the ageing time of {ageing:g} s",
        seen=f"forgotten after {probes[soon[0]]:.1f} s" if soon else "",
        frames=[flooded[number] for number in soon],
    )
    case.expect(
        flooded,
        expected=f"a silent station is forgotten within twice the ageing time of {ageing:g} s",
        seen=f"still known after {max(probes.values()):.1f} s",
    )
    if flooded:
        case.figures["forgotten after s"] = round(probes[min(flooded)], 1)
