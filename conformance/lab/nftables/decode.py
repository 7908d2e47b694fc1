"""What is in the kernel, decoded: tables, chains and rules of every family as flat tables of JSON values.

Rules that iptables-nft made hold xt extensions, which are given by their names (``match``, ``target``).
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final

from conformance.lab.kernel import netlink
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.kernel.netlink import DUMP, attributes, message, sequence, string
from conformance.lab.nftables.match import COMPARISONS, STATES
from conformance.lab.nftables.table import DEVICE_HOOKS, FAMILIES, GET_CHAIN, GET_RULE, GET_TABLE, HOOKS, SUBSYSTEM
from conformance.protocols.mac import mac_text

_FAMILY_NAMES: Final = {number: name for name, number in FAMILIES.items()} | {3: "arp"}
_HOOK_NAMES: Final = {number: name for name, number in HOOKS.items()}
_DEVICE_HOOK_NAMES: Final = {number: name for name, number in DEVICE_HOOKS.items()}
_OPERATIONS: Final = {number: name for name, number in COMPARISONS.items()}
_VERDICTS: Final = {0: "drop", 1: "accept", -2: "break", -3: "jump", -4: "goto", -5: "return"}
_META: Final = {
    0: "length", 1: "protocol", 2: "priority", 3: "mark", 4: "iif", 5: "oif", 6: "iifname", 7: "oifname", 10: "skuid",
    15: "nfproto", 16: "l4proto", 17: "ibrname", 18: "obrname", 19: "pkttype",
}  # fmt: skip
_CT: Final = {0: "state", 1: "direction", 2: "status", 3: "mark", 8: "saddr", 9: "daddr", 10: "protocol"}
_BASES: Final = {0: "link", 1: "network", 2: "transport", 3: "inner"}
_FIELDS: Final = {
    ("network", 12, 4): "ip saddr", ("network", 16, 4): "ip daddr", ("network", 8, 16): "ip6 saddr",
    ("network", 24, 16): "ip6 daddr", ("transport", 0, 2): "sport", ("transport", 2, 2): "dport",
    ("link", 0, 6): "ether daddr", ("link", 6, 6): "ether saddr", ("network", 8, 1): "ip ttl",
    ("network", 7, 1): "ip6 hoplimit",
}  # fmt: skip

TRANSLATIONS: Final = frozenset(
    {"masquerade", "snat", "dnat", "redirect", "MASQUERADE", "SNAT", "DNAT", "REDIRECT", "NETMAP", "tproxy", "TPROXY"}
)
"""Actions that rewrite an address or a port, or hand the packet to another socket than it was meant for."""

Flat = dict[str, Any]


def dump(namespace: Namespace) -> list[Flat]:
    """Every table, chain and rule: `kind` tells which, rules come in the order in which the kernel walks them.

    A rule has `action` (what it does: accept, drop, masquerade, snat, dnat, redirect, reject, an xt target's name ...),
    `translates` (whether that is address translation), `expressions` in their order, and its counter as `packets` and
    `bytes`. Empty where the kernel has no nftables.
    """
    header = struct.pack(">BBH", 0, 0, 0)
    requests = [message(SUBSYSTEM << 8 | kind, DUMP, header) for kind in (GET_TABLE, GET_CHAIN, GET_RULE)]
    try:
        tables, chains, rules = netlink.dump(namespace, requests, netlink.NETFILTER)
    except OSError:
        return []
    return [*map(_table, tables), *map(_chain, chains), *map(_rule, rules)]


def _table(body: bytes) -> Flat:
    return {"kind": "table", "family": _family(body), "table": string(attributes(body, 4)[1])}


def _family(body: bytes) -> str:
    return _FAMILY_NAMES.get(body[0], str(body[0]))


def _chain(body: bytes) -> Flat:
    parts = attributes(body, 4)
    chain: Flat = {
        "kind": "chain",
        "family": _family(body),
        "table": string(parts[1]),
        "chain": string(parts[3]),
    }
    if 4 in parts:
        hook = attributes(parts[4])
        names = _DEVICE_HOOK_NAMES if body[0] == FAMILIES["netdev"] else _HOOK_NAMES
        chain |= {
            "type": string(parts[7]),
            "hook": names.get(_number(hook[1]), str(_number(hook[1]))),
            "priority": struct.unpack(">i", hook[2])[0],
            "policy": _VERDICTS.get(_number(parts[5]), "") if 5 in parts else "accept",
        }
        if 3 in hook:
            chain["device"] = string(hook[3])
    return chain


def _rule(body: bytes) -> Flat:
    parts = attributes(body, 4)
    rule: Flat = {
        "kind": "rule",
        "family": _family(body),
        "table": string(parts[1]),
        "chain": string(parts[2]),
        "handle": _number(parts[3]),
        "action": "",
        "expressions": [],
    }
    loaded = ""
    for _, element in sequence(parts.get(4, b"")):
        outer = attributes(element)
        name = string(outer[1])
        inner = attributes(outer.get(2, b""))
        if name == "counter":
            rule |= {"packets": _number(inner[2]), "bytes": _number(inner[1])}
            continue
        decoded = _EXPRESSIONS.get(name, _plain)(inner, loaded)
        loaded = decoded.get("field", loaded)
        rule["action"] = decoded.pop("action", rule["action"])
        rule["expressions"].append({"name": name, **decoded})
    rule["translates"] = rule["action"] in TRANSLATIONS
    if 7 in parts and (words := _comment(parts[7])):
        rule["comment"] = words
    return rule


def _comment(userdata: bytes) -> str:
    return string(userdata[2:]) if userdata[:1] == b"\0" else ""


def _number(payload: bytes) -> int:
    return int.from_bytes(payload, "big")


def _value(payload: bytes, field: str) -> Any:
    """Bytes in a register, shown as what was loaded there."""
    raw = attributes(payload).get(1, b"")
    if field.endswith("addr") and field.startswith("ip"):
        return str(ip_address(raw))
    if field.startswith("ether"):
        return mac_text(raw)
    if field in ("iifname", "oifname", "ibrname", "obrname"):
        return string(raw)
    if field in ("sport", "dport", "l4proto", "nfproto", "protocol", "length", "ip ttl", "ip6 hoplimit"):
        return int.from_bytes(raw, "big")
    return raw.hex()


def _plain(_: dict[int, bytes], __: str) -> Flat:
    return {}


def _load_meta(inner: dict[int, bytes], _: str) -> Flat:
    key = _META.get(_number(inner[2]), str(_number(inner[2])))
    return {"action": f"set {key}"} if 3 in inner else {"field": key}


def _load_connection(inner: dict[int, bytes], _: str) -> Flat:
    return {"field": f"ct {_CT.get(_number(inner[2]), _number(inner[2]))}"}


def _payload(inner: dict[int, bytes], _: str) -> Flat:
    place = (_BASES.get(_number(inner[2]), ""), _number(inner[3]), _number(inner[4]))
    field = _FIELDS.get(place, f"{place[0]} offset {place[1]} length {place[2]}")
    return {"action": "rewrite", "written": field} if 5 in inner else {"field": field}


def _extension_header(inner: dict[int, bytes], _: str) -> Flat:
    place = f"offset {_number(inner[3])} length {_number(inner[4])}"
    return {"action": "rewrite"} if 8 in inner else {"field": f"extension header {_number(inner[2])} {place}"}


def _compare(inner: dict[int, bytes], field: str) -> Flat:
    return {"operation": _OPERATIONS.get(_number(inner[2]), ""), "value": _value(inner[3], field)}


def _range(inner: dict[int, bytes], field: str) -> Flat:
    return {
        "operation": "outside" if _number(inner[2]) else "inside",
        "low": _value(inner[3], field),
        "high": _value(inner[4], field),
    }


def _bitwise(inner: dict[int, bytes], field: str) -> Flat:
    if 4 not in inner:
        return {}
    if field == "ct state":
        mask = int.from_bytes(attributes(inner[4])[1], sys.byteorder)
        return {"mask": ",".join(name for name, bit in STATES.items() if mask & bit)}
    return {"mask": _value(inner[4], field)}


def _immediate(inner: dict[int, bytes], _: str) -> Flat:
    content = attributes(inner[2])
    if 2 not in content:
        return {"value": content.get(1, b"").hex()}
    verdict = attributes(content[2])
    word = _VERDICTS.get(struct.unpack(">i", verdict[1])[0], "")
    return {"action": word, **({"chain": string(verdict[2])} if 2 in verdict else {})}


def _nat(inner: dict[int, bytes], _: str) -> Flat:
    return {"action": "dnat" if _number(inner[1]) else "snat"}


def _extension(inner: dict[int, bytes], _: str) -> Flat:
    return {"extension": string(inner[1]), "revision": _number(inner.get(2, b"\0"))}


def _target(inner: dict[int, bytes], _: str) -> Flat:
    return {**_extension(inner, ""), "action": string(inner[1])}


def _named(action: str) -> Callable[[dict[int, bytes], str], Flat]:
    return lambda _, __: {"action": action}


_EXPRESSIONS: Final[dict[str, Callable[[dict[int, bytes], str], Flat]]] = {
    "exthdr": _extension_header, "meta": _load_meta, "ct": _load_connection, "payload": _payload, "cmp": _compare,
    "range": _range, "bitwise": _bitwise, "immediate": _immediate, "nat": _nat, "match": _extension, "target": _target,
    "masq": _named("masquerade"), "redir": _named("redirect"), "reject": _named("reject"),
    "synproxy": _named("synproxy"), "notrack": _named("untrack"), "queue": _named("queue"), "tproxy": _named("tproxy"),
    "fwd": _named("forward"), "dup": _named("duplicate"),
}  # fmt: skip
