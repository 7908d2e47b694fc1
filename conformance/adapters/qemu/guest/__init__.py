"""A virtual machine as a namespace: its kernel is asked for sockets and files from outside, over a virtio-serial port.

The guest runs nothing but `agent.c`, which carries out system calls. Whatever works in a `Namespace` by way of
`Namespace.call` and `Namespace.socket` works in a `GuestNamespace`; programs cannot be run there, and it has no
descriptor that an interface could be moved into.
"""

from conformance.adapters.qemu.guest.channel import Channel, GuestLostError, Hello
from conformance.adapters.qemu.guest.namespace import GuestNamespace

__all__ = ["Channel", "GuestLostError", "GuestNamespace", "Hello"]
