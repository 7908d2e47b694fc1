"""Connection tracking entries, with what address translation made of them, as flat tables of JSON values."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from socket import AF_UNSPEC
from typing import Any, Final

from conformance.lab.kernel import netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import DUMP, attributes, message

_CONNECTIONS: Final = message(1 << 8 | 1, DUMP, struct.pack(">BBH", AF_UNSPEC, 0, 0))
"""IPCTNL_MSG_CT_GET of the subsystem ctnetlink."""
_PROTOCOLS: Final = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 58: "icmpv6", 132: "sctp", 136: "udplite"}
_TCP_STATES: Final = (
    "none", "syn-sent", "syn-recv", "established", "fin-wait", "close-wait", "last-ack", "time-wait", "close",
)  # fmt: skip
_STATUS: Final = {1: "expected", 2: "seen-reply", 4: "assured", 8: "confirmed", 16: "src-nat", 32: "dst-nat"}

Flat = dict[str, Any]


def connections(namespace: Namespace) -> tuple[Flat, ...]:
    """Every entry, IPv4 and IPv6; empty where the kernel tracks nothing.

    `original_*` and `reply_*` are the two tuples (for ICMP the port is the echo identifier). `translated` says that the
    reply does not simply mirror the original; `source_translated` and `destination_translated` say at which end.
    """
    if not _tracked(namespace):
        return ()
    try:
        bodies = netlink.dump(namespace, [_CONNECTIONS], netlink.NETFILTER)[0]
    except OSError:
        return ()
    return tuple(sorted((_entry(body) for body in bodies), key=repr))


def _tracked(namespace: Namespace) -> bool:
    """Whether there is any entry: a dump walks the hash table of the whole machine (10 ms), even for none."""
    try:
        return namespace.sysctl("net.netfilter.nf_conntrack_count") != "0"
    except OSError:
        return False


def _entry(body: bytes) -> Flat:
    parts = attributes(body, 4)
    original, answer = _tuple(parts[1]), _tuple(parts[2])
    source = original["source"] != answer["destination"] or original["source_port"] != answer["destination_port"]
    target = original["destination"] != answer["source"] or original["destination_port"] != answer["source_port"]
    if original["protocol"] in ("icmp", "icmpv6"):
        source = original["source"] != answer["destination"] or original["source_port"] != answer["source_port"]
        target = original["destination"] != answer["source"]
    status = int.from_bytes(parts.get(3, b""), "big")
    entry: Flat = {
        "family": "ipv6" if ":" in original["source"] else "ipv4",
        "protocol": original["protocol"],
        **{f"original_{key}": value for key, value in original.items() if key != "protocol"},
        **{f"reply_{key}": value for key, value in answer.items() if key != "protocol"},
        "translated": source or target,
        "source_translated": source,
        "destination_translated": target,
        "status": [word for bit, word in _STATUS.items() if status & bit],
    }
    if 7 in parts:
        entry["timeout"] = int.from_bytes(parts[7], "big")
    tcp = attributes(attributes(parts.get(4, b"")).get(1, b""))
    if 1 in tcp:
        entry["state"] = _TCP_STATES[tcp[1][0]] if tcp[1][0] < len(_TCP_STATES) else str(tcp[1][0])
    return entry


def _tuple(payload: bytes) -> Flat:
    parts = attributes(payload)
    addresses, protocol = attributes(parts[1]), attributes(parts[2])
    number = protocol[1][0]
    name = _PROTOCOLS.get(number, str(number))
    echo = protocol.get(4 if name == "icmp" else 7)
    source, target = (echo, echo) if echo is not None else (protocol.get(2, b""), protocol.get(3, b""))
    return {
        "protocol": name,
        "source": str(ip_address(addresses.get(1) or addresses[3])),
        "source_port": int.from_bytes(source, "big"),
        "destination": str(ip_address(addresses.get(2) or addresses[4])),
        "destination_port": int.from_bytes(target, "big"),
    }
