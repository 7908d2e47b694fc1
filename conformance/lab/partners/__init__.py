"""Partners: the suite's own speakers of link protocols, on our side of the wire, several ports on one event loop.

A partner that keeps state (`lacp`, `spanning`) is a machine without I/O: frames go in with the time, frames come out
when it is advanced to a time. So it is tested with a simulated clock; `driver` seats it on the event loop.
"""
