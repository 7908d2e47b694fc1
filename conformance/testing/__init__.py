"""Tests of checks: recordings made by hand, without a lab and without root, that judge in milliseconds.

    def test_it_fails_where_nothing_arrives() -> None:
        lost = recording(endpoints=[endpoint("h1a"), endpoint("h2a")], flows=[flow("h1a", "h2a", status="timeout")])
        assert judged(test_same_host, lost, family="ipv4", protocol="udp").verdict is Verdict.FAIL

What these builders leave out is set with ``model_copy(update=...)`` of what they return: see `conformance.recording`.
"""

from conformance.testing.recordings import Frame, endpoint, flow, judged, recording

__all__ = ["Frame", "endpoint", "flow", "judged", "recording"]
