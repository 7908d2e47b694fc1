"""The lab's side of link protocols: partners that keep the standard, or break it on command.

A partner is a machine without I/O: frames go in with the time, frames come out when it is advanced to a time. So it is
tested with a simulated clock, and any number of them share one event loop (`conformance.lab.partnering`).
"""
