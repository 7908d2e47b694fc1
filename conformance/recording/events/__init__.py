"""The typed vocabulary of a recording: one frozen dataclass for each kind of event, by what it is about.

A scenario writes an event with `Context.event(Carrier(where="port1", up=False))`, which stamps the time. A check reads
events with `case.the(Carrier, where="port1")` or `case.all(Carrier)`. On disk an event is a row {time_ns, kind, where,
detail}: `kind` is the word that the class declares, `detail` holds the fields of the class. A family of another
distribution declares kinds of its own in the same way, in a module that its scenarios and its checks import.

`attaching` is about endpoints, `links` about ports and cables, `tables` about what an implementation shows of its own
view, `discovery` about LLDP, `aggregation` about LACP, `bridging` about bridges and spanning trees, `meeting` about
two implementations cabled to each other, `isolation` about policies, tenants and forged frames, `addressing` about
neighbour discovery and addresses that two hosts want.
"""

from conformance.recording.events.base import Event, MalformedEventError, events_in, row_of

__all__ = ["Event", "MalformedEventError", "events_in", "row_of"]
