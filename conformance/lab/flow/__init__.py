"""Flows: probes from any namespace to any other, thousands in flight at once, driven by one process on one epoll loop.

`Engine` serves `Server` and runs `Probe`, and returns one `conformance.recording.model.Flow` for each probe.
"""

from conformance.lab.flow.engine import Engine
from conformance.lab.flow.held import Held
from conformance.lab.flow.probe import Probe, Server

__all__ = ["Engine", "Held", "Probe", "Server"]
