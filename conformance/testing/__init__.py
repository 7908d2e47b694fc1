"""Tests of checks: recordings made by hand, without a lab and without root, that judge in milliseconds.

    def test_it_fails_where_nothing_arrives() -> None:
        lost = recording(
            endpoints=[endpoint("h1a"), endpoint("h1b", addresses=["192.0.2.2/24"])],
            flows=[flow("h1a", "h1b", status="timeout")],
            frames=[Frame("h1a:eth0", bytes(60), after=0.1)],
            events=[Watched(where="h1a", time_ns=after(0.1), from_start=True)],
            snapshots=[snapshot("h1", neighbours=[{"address": "192.0.2.2", "mac": "00:00:5e:00:53:02"}])],
        )
        assert judged(test_same_host, lost, family="ipv4", protocol="udp").verdict is Verdict.FAIL
        assert not compared(lost, {"route.same-host family=ipv4 protocol=udp": Verdict.FAIL})

`judged` asks one check; `compared` has every check of the scenario judge, as a run would, and names what differs.
`goldens_of` gives the golden recordings of a family; ``differences()`` of each says what it gives otherwise than
expected. Events are classes of `conformance.recording.events`. What these builders leave out is set with
``model_copy(update=...)`` of what they return: see `conformance.recording`.
"""

from conformance.testing.comparing import compared, goldens_of
from conformance.testing.recordings import Frame, after, endpoint, flow, judged, recording, snapshot

__all__ = ["Frame", "after", "compared", "endpoint", "flow", "goldens_of", "judged", "recording", "snapshot"]
