"""nftables over netlink: the kernel takes every match and action, does what they say, and gives them back decoded."""

from __future__ import annotations

import errno
import json
import shutil
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, ip_address, ip_interface, ip_network
from pathlib import Path
from typing import Any

import pytest
from pyroute2.netlink.exceptions import NetlinkError

from conformance import limits, testbed
from conformance.lab import nftables as nft
from conformance.lab.kernel import link
from conformance.lab.kernel.namespace import Namespace
from conformance.lab.lab import Lab
from conformance.lab.taps.listen import FrameListener
from conformance.protocols import ethertypes
from conformance.protocols.mac import mac_bytes, mac_text

HERE, THERE, HERE6, THERE6 = "192.0.2.11", "192.0.2.12", "2001:db8:0:1::11", "2001:db8:0:1::12"
IP_RECVTTL = 12
"""linux/in.h; Python has no name for it."""
SILENCE = 0.2
"""Seconds that nothing must arrive in; what arrives on these wires takes less than a millisecond."""


@contextmanager
def hosts(folder: Path) -> Iterator[tuple[Namespace, Namespace]]:
    with Lab(testbed.load("same-subnet"), folder) as lab:
        yield lab.hosts["h1"].namespace, lab.hosts["h2"].namespace


def table(*rules: nft.Rule, family: Any = "inet", **base: Any) -> nft.Table:
    return nft.Table(family, "t", (nft.Chain("c", rules, **base),))


def send(
    source: Namespace, target: Namespace, address: str, data: bytes = b"x", *, port: int = 9, at: int = 0
) -> tuple[bytes, tuple[str, int], int] | None:
    """One datagram: payload, peer and TTL as they arrived at port `at` (or `port`), None for silence."""
    six = ":" in address
    family = socket.AF_INET6 if six else socket.AF_INET
    with target.socket(family, socket.SOCK_DGRAM) as server, source.socket(family, socket.SOCK_DGRAM) as sender:
        if six:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
        else:
            server.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        server.bind(("::" if six else "", at or port))
        server.settimeout(SILENCE)
        sender.bind(("::" if six else "", 5000))
        sender.sendto(data, (address, port))
        try:
            received, ancillary, _, peer = server.recvmsg(65535, 100)
        except TimeoutError:
            return None
        return received, peer[:2], struct.unpack("=i", ancillary[0][2])[0]


def actions(namespace: Namespace) -> list[tuple[str, int]]:
    """The action of each rule, and how many packets it counted."""
    return [(rule["action"], rule["packets"]) for rule in nft.dump(namespace) if rule["kind"] == "rule"]


def test_a_limit_lets_only_so_many_past(tmp_path: Path) -> None:
    within = nft.Rule(nft.accept(), (nft.transport("udp"), nft.limit(1, burst=2)))
    beyond = nft.Rule(nft.drop(), (nft.transport("udp"), nft.limit(1, burst=2, over=True)))
    for rules in ((within, nft.Rule(nft.drop(), (nft.transport("udp"),))), (beyond,)):
        with hosts(tmp_path) as (here, there):
            nft.install(there, table(*rules, hook="input"))
            arrived = [send(here, there, THERE) is not None for _ in range(3)]
            assert arrived == [True, True, False]


def test_matches_decide(tmp_path: Path) -> None:
    matches = {
        "source": (nft.source(ip_network(f"{HERE}/32")),),
        "source prefix": (nft.source(ip_network("192.0.2.8/29")),),
        "other source": (nft.source(ip_network("198.51.100.0/24"), negate=True), nft.transport("udp")),
        "destination": (nft.destination(ip_network(f"{THERE}/31")),),
        "protocol": (nft.transport(17),),
        "ports": (nft.transport("udp"), nft.source_port(5000), nft.destination_port(1, 9)),
        "other ports": (
            nft.transport("udp"),
            nft.destination_port(10, 20, negate=True),
            nft.source_port(1, negate=True),
        ),
        "interface": (nft.in_interface("eth0"), nft.transport("udp")),
        "other interface": (nft.in_interface("lo", negate=True), nft.transport("udp")),
        "length": (nft.length("==", 29),),
        "shorter": (nft.length("<=", 29), nft.transport("udp")),
        "new": (nft.state("new", "untracked"), nft.transport("udp")),
        "not old": (nft.state("established", negate=True), nft.transport("udp")),
        "bytes": (nft.payload("transport", 8, b"x"), nft.transport("udp")),
        "some bits": (nft.payload("network", 0, b"\x40", mask=b"\xf0"), nft.transport("udp")),
    }
    with hosts(tmp_path) as (here, there):
        for words, wanted in matches.items():
            dropping = table(nft.Rule(nft.drop(), wanted, words), hook="input")
            assert send(here, there, THERE) is not None
            nft.install(there, dropping)
            assert send(here, there, THERE) is None, words
            assert actions(there) == [("drop", 1)], words
            nft.remove(there, dropping)


def test_ipv6_matches_decide(tmp_path: Path) -> None:
    matches = {
        "source": (nft.source(ip_network(f"{HERE6}/128")),),
        "prefix": (nft.source(ip_network("2001:db8::/33")), nft.destination(ip_network("2001:db9::/32"), negate=True)),
        "ethernet": (nft.ether_type("ip6"), nft.ether_source("00:00:5e:00:53:01"), nft.transport("udp")),
        "part of a MAC": (nft.ether_destination("00:00:5e:00:00:00", "ff:ff:ff:00:00:00"), nft.ether_type("ip6")),
    }
    with hosts(tmp_path) as (here, there):
        for words, wanted in matches.items():
            dropping = table(nft.Rule(nft.drop(), wanted), family="netdev", hook="ingress", device="eth0")
            assert send(here, there, THERE6) is not None
            nft.install(there, dropping)
            assert send(here, there, THERE6) is None, words
            assert send(here, there, THERE) is not None
            nft.remove(there, dropping)


def test_fragments_are_told_apart(tmp_path: Path) -> None:
    with hosts(tmp_path) as (here, there):
        for version, address in ((4, THERE), (6, THERE6)):
            assert send(here, there, address, bytes(4000)) is not None
            for which in ("any", "first", "later"):
                fragment = nft.fragment(version, which)  # type: ignore[arg-type]
                dropping = table(nft.Rule(nft.drop(), (fragment,)), hook="prerouting", priority=-450)
                nft.install(there, dropping)
                assert send(here, there, address, bytes(4000)) is None
                assert send(here, there, address, bytes(400)) is not None
                dropped = {"any": 3, "first": 1, "later": 2}[which]
                assert actions(there) == [("drop", dropped)]
                nft.remove(there, dropping)


def test_source_translation(tmp_path: Path) -> None:
    with hosts(tmp_path) as (here, there):
        post = {"type": "nat", "hook": "postrouting", "priority": 100}
        for port, action, kept in (
            (1001, nft.masquerade(), True),
            (1002, nft.masquerade(fully_random=True), False),
            (1003, nft.masquerade(random=True), False),
        ):
            translating = table(nft.Rule(action, (nft.out_interface("eth0"), nft.transport("udp"))), **post)
            nft.install(here, translating)
            for address in (THERE, THERE6):
                arrived = send(here, there, address, port=port)
                assert arrived is not None
                assert (arrived[1][1] == 5000) == kept
            assert actions(here) == [("masquerade", 2)]
            nft.remove(here, translating)
        elsewhere = nft.source_nat(ip_address("10.9.9.9"), ports=(6000, 6001))
        nft.install(here, table(nft.Rule(elsewhere, (nft.transport("udp"),)), family="ip", **post))
        arrived = send(here, there, THERE, port=10)
        assert arrived is not None
        assert arrived[1][0] == "10.9.9.9"
        assert arrived[1][1] in (6000, 6001)


def test_destination_translation(tmp_path: Path) -> None:
    with hosts(tmp_path) as (here, there):
        dialled = (nft.transport("udp"), nft.destination_port(8080))
        pre = {"type": "nat", "hook": "prerouting", "priority": -100}
        for action in (nft.redirect(port=9), nft.destination_nat(ip_address(THERE), port=9)):
            translating = table(nft.Rule(action, dialled), family="ip", **pre)
            nft.install(there, translating)
            assert send(here, there, THERE, port=8080, at=9) is not None
            assert [rule["translates"] for rule in nft.dump(there) if rule["kind"] == "rule"] == [True]
            nft.remove(there, translating)


def test_rewriting_keeps_checksums_right(tmp_path: Path) -> None:
    with hosts(tmp_path) as (here, there):
        rules = (
            nft.Rule(nft.set_ttl(7), (nft.source(ip_network("192.0.2.0/24")),)),
            nft.Rule(nft.set_hop_limit(9), (nft.source(ip_network("2001:db8::/32")), nft.transport("udp"))),
            nft.Rule(nft.rewrite("transport", 9, b"A", checksum_at=6), (nft.transport("udp"),)),
        )
        nft.install(there, table(*rules, hook="input"))
        assert send(here, there, THERE, b"abc") == (b"aAc", (HERE, 5000), 7)
        assert send(here, there, THERE6, b"abc") == (b"aAc", (HERE6, 5000), 9)


def test_rejections_say_why(tmp_path: Path) -> None:
    with hosts(tmp_path) as (here, there), there.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.bind(("", 80))
        listening.listen()
        for action, number in (
            (nft.reset(), errno.ECONNREFUSED),
            (nft.reject("host-unreachable"), errno.EHOSTUNREACH),
            (nft.reject("admin-prohibited"), errno.EHOSTUNREACH),
            (nft.reject(0), errno.ENETUNREACH),
        ):
            refusing = table(nft.Rule(action, (nft.transport("tcp"),)), hook="input")
            nft.install(there, refusing)
            with here.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
                client.settimeout(limits.ANSWER)
                assert client.connect_ex((THERE, 80)) == number
            assert actions(there) == [("reject", 1)]
            nft.remove(there, refusing)


def test_a_synproxy_answers_in_the_servers_name(tmp_path: Path) -> None:
    with hosts(tmp_path) as (here, there), there.socket(socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.bind(("", 80))
        listening.listen()
        there.sysctl("net.netfilter.nf_conntrack_tcp_loose", 0)
        syn = (nft.transport("tcp"), nft.destination_port(80), nft.payload("transport", 13, b"\x02", mask=b"\x17"))
        proxied = (nft.transport("tcp"), nft.destination_port(80), nft.state("invalid", "untracked"))
        chains = (
            nft.Chain("raw", (nft.Rule(nft.untrack(), syn),), hook="prerouting", priority=-300),
            nft.Chain("in", (nft.Rule(nft.synproxy(mss=1217), proxied),), hook="input"),
        )
        nft.install(there, nft.Table("ip", "proxy", chains))
        with here.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(limits.ANSWER)
            client.connect((THERE, 80))
        assert [action for action, packets in actions(there) if packets] == ["untrack", "synproxy"]


def test_everything_comes_back_decoded(tmp_path: Path) -> None:
    rules = (
        nft.Rule(nft.accept(), (nft.source(ip_network("10.0.0.0/8")), nft.out_interface("br0", negate=True)), "why"),
        nft.Rule(nft.drop(), (nft.transport("tcp"), nft.destination_port(80, 90), nft.state("new", "related"))),
        nft.Rule(nft.reject(), (nft.icmp(6, 128, negate=True), nft.length(">", 1400), nft.reply())),
        nft.Rule(nft.jump("other")),
        nft.Rule(nft.count()),
    )
    chains = (nft.Chain("forward", rules, hook="forward", priority=-5, policy="drop"), nft.Chain("other"))
    with hosts(tmp_path) as (here, _):
        nft.install(here, nft.Table("inet", "one", chains), nft.Table("bridge", "two"))
        found = nft.dump(here)
    json.dumps(found)
    assert [(one["family"], one["table"]) for one in found if one["kind"] == "table"] == [
        ("inet", "one"),
        ("bridge", "two"),
    ]
    base, plain = (one for one in found if one["kind"] == "chain")
    assert base == {
        "kind": "chain",
        "family": "inet",
        "table": "one",
        "chain": "forward",
        "type": "filter",
        "hook": "forward",
        "priority": -5,
        "policy": "drop",
    }
    assert plain["chain"] == "other"
    decoded = [one for one in found if one["kind"] == "rule"]
    assert [one["action"] for one in decoded] == ["accept", "drop", "reject", "jump", ""]
    assert decoded[0]["comment"] == "why"
    assert decoded[0]["expressions"] == [
        {"name": "meta", "field": "nfproto"},
        {"name": "cmp", "operation": "==", "value": 2},
        {"name": "payload", "field": "ip saddr"},
        {"name": "bitwise", "mask": "255.0.0.0"},
        {"name": "cmp", "operation": "==", "value": "10.0.0.0"},
        {"name": "meta", "field": "oifname"},
        {"name": "cmp", "operation": "!=", "value": "br0"},
        {"name": "immediate"},
    ]
    assert {"name": "range", "operation": "inside", "low": 80, "high": 90} in decoded[1]["expressions"]
    assert {"name": "bitwise", "mask": "related,new"} in decoded[1]["expressions"]
    assert {"name": "cmp", "operation": ">", "value": 1400} in decoded[2]["expressions"]
    assert {"name": "immediate", "chain": "other"} in decoded[3]["expressions"]
    assert not any(one["translates"] for one in decoded)


def test_a_refused_rule_is_named_and_nothing_is_left_of_its_table(tmp_path: Path) -> None:
    wrong = table(nft.Rule(nft.accept()), nft.Rule(nft.masquerade()), hook="forward")
    with hosts(tmp_path) as (here, _):
        with pytest.raises(NetlinkError, match="h1: nftables: rule 1 of t c: Operation not supported"):
            nft.install(here, wrong)
        assert nft.dump(here) == []
        with pytest.raises(ValueError, match="IPv6 in a table of family ip"):
            nft.install(here, table(nft.Rule(nft.drop(), (nft.source(ip_network("::/0")),)), family="ip", hook="input"))


@pytest.mark.skipif(shutil.which("iptables-nft") is None, reason="needs iptables-nft")
def test_rules_of_iptables_are_named(tmp_path: Path) -> None:
    with hosts(tmp_path) as (here, _):
        words = ["-t", "nat", "-A", "POSTROUTING", "-m", "comment", "--comment", "x", "-j", "MASQUERADE"]
        here.run(["iptables-nft", *words], timeout=limits.COMMAND)
        rule = next(one for one in nft.dump(here) if one["kind"] == "rule")
    assert (rule["action"], rule["translates"]) == ("MASQUERADE", True)
    assert rule["expressions"][-1]["extension"] == "MASQUERADE"
    assert rule["expressions"][0]["extension"] == "comment"


def test_an_underlay_without_multicast_carries_what_resolution_needs(tmp_path: Path) -> None:
    blocked = ("01:00:5e:01:01:01", "33:33:00:00:00:fb", "33:33:00:01:00:02")
    passing = ("ff:ff:ff:ff:ff:ff", "33:33:ff:00:00:12", "33:33:00:00:00:01", "33:33:00:00:00:16")
    with Lab(testbed.load("same-subnet"), tmp_path) as lab:
        nft.block_underlay_multicast(lab.rack)
        here, there = lab.hosts["h1"].namespace, lab.hosts["h2"].namespace
        with FrameListener(there, "eth0") as ears, here.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
            for mac in (*blocked, *passing):
                sender.sendto(
                    mac_bytes(mac)
                    + bytes.fromhex("00005e005301")
                    + ethertypes.octets(ethertypes.EXPERIMENT)
                    + bytes(46),
                    ("eth0", 0),
                )
            seen: list[str] = []

            def collect(frame: bytes) -> bool:
                if ethertypes.ethertype_of(frame) == ethertypes.EXPERIMENT:
                    seen.append(mac_text(frame[:6]))
                return len(seen) == len(passing)

            ears.wait(collect, limits.CANARY)
    assert seen == list(passing)


def test_sets_grow_and_tables_are_replaced_whole(tmp_path: Path) -> None:
    with hosts(tmp_path) as (one, other):
        own, new = IPv4Address("192.0.2.11"), IPv4Address("192.0.2.77")
        members = nft.AddressSet("members", 4, (new,))
        rule = nft.Rule(nft.drop(), (nft.source_in("members", 4), nft.destination_in("members", 4, negate=True)))
        made = nft.Table("inet", "t", (nft.Chain("c", (rule,), hook="input"),), (members,))
        nft.replace(other, made)
        assert send(one, other, "192.0.2.12") is not None
        nft.add_elements(other, made, nft.AddressSet("members", 4, (own, new)))
        assert send(one, other, "192.0.2.12", port=10) is None
        assert actions(other) == [("drop", 1)]
        nft.replace(other, made)
        assert send(one, other, "192.0.2.12", port=11) is not None
        assert actions(other) == [("drop", 0)]


@pytest.mark.parametrize(
    ("address", "foreign"), [("192.0.2.12", "10.9.9.9/32"), ("2001:db8:0:1::12", "2001:db8:9::9/128")]
)
def test_what_comes_the_wrong_way_is_told(tmp_path: Path, address: str, foreign: str) -> None:
    with hosts(tmp_path) as (one, other):
        rule = nft.Rule(nft.drop(), (nft.in_interface("eth0"), nft.wrong_way()))
        nft.install(other, table(rule, hook="prerouting", priority=-300))
        assert send(one, other, address) is not None
        link.address(one, "eth0", ip_interface(foreign), dad=False)
        with one.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((foreign.partition("/")[0], 0))
            sender.sendto(b"x", (address, 9))
        assert actions(other) == [("drop", 1)]
