"""CNI profiles and the results of plugins: settings, placeholders, versions, decoding."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface
from typing import Any

import pytest

from conformance.adapters.cni import placeholders
from conformance.adapters.cni.result import decode, reported
from conformance.adapters.cni.settings import settings_of
from conformance.adapters.cni.versions import negotiate
from conformance.adapters.interface import AdapterError
from conformance.errors import UsageError
from conformance.profile import Profile, available, load, parse

RESULT = {
    "cniVersion": "1.0.0",
    "interfaces": [
        {"name": "br0", "mac": "02:00:00:00:00:01"},
        {"name": "eth0", "mac": "02:00:00:00:00:AA", "sandbox": "/proc/1/fd/7"},
    ],
    "ips": [
        {"interface": 1, "address": "10.1.0.2/24", "gateway": "10.1.0.1"},
        {"interface": 1, "address": "2001:db8:1:1::2/64", "gateway": "2001:db8:1:1::1"},
        {"interface": 0, "address": "10.1.0.1/24"},
    ],
}


def cni_profile(plugin: dict[str, Any], **settings: Any) -> Profile:
    conflist = {"plugins": [plugin], **settings.pop("conflist", {})}
    data = {
        "schema": 1,
        "name": "own",
        "title": "A plugin of ours",
        "kind": "cni",
        "roles": ["workload-network"],
        "features": ["ipv4"],
        "adapter": {"conflist": conflist, **settings},
    }
    return parse(data, "own.toml")


@pytest.mark.parametrize(
    ("configured", "supported", "used"),
    [
        ((), {"a": ["0.1.0", "0.3.1", "1.0.0"], "b": ["0.3.1", "0.4.0"]}, "0.3.1"),
        ((), {"a": ["0.4.0", "1.0.0", "1.1.0", "2.0.0"]}, "1.1.0"),
        (("0.4.0", "1.0.0"), {"a": ["0.3.1", "0.4.0"]}, "0.4.0"),
        (("1.1.0",), {"a": ["0.4.0"]}, "1.1.0"),
    ],
)
def test_negotiation(configured: tuple[str, ...], supported: dict[str, list[str]], used: str) -> None:
    assert negotiate(configured, supported) == used


def test_no_common_version() -> None:
    with pytest.raises(AdapterError, match=r"no version of CNI is common .*\(a: 0.1.0; b: 1.0.0\)"):
        negotiate((), {"a": ["0.1.0"], "b": ["1.0.0"]})


def test_a_result_is_decoded_for_the_containers_interface() -> None:
    found = reported(RESULT, "eth0")
    assert found.addresses == (ip_interface("10.1.0.2/24"), ip_interface("2001:db8:1:1::2/64"))
    assert (found.mac, found.mtu) == ("02:00:00:00:00:aa", None)
    assert found.gateways == (ip_address("10.1.0.1"), ip_address("2001:db8:1:1::1"))


def test_results_of_other_versions() -> None:
    old = {
        "cniVersion": "0.3.1",
        "interfaces": None,
        "ips": [{"version": "4", "address": "10.0.0.2/24", "gateway": ""}],
    }
    assert reported(old, "eth0").addresses == (ip_interface("10.0.0.2/24"),)
    assert reported(old, "eth0").gateways == ()
    inside = {"name": "eth0", "mac": "02:00:00:00:00:01", "mtu": 1450, "sandbox": "/n", "pciID": "0000:00:1f.6"}
    assert reported({"cniVersion": "1.1.0", "interfaces": [inside]}, "eth0").mtu == 1450
    assert reported({"cniVersion": "1.0.0"}, "eth0").mac is None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"ip4": {"ip": "10.0.0.2/24"}}, "0.2.0 or older"),
        ({"ips": [{"address": "10.0.0.2"}]}, "ips.0.*prefix length"),
        ({"ips": [{"address": "10.0.0.2/24", "interface": 4}]}, "4 is no index"),
        ({"interfaces": [{"mac": "x"}]}, "interfaces.0.name"),
    ],
)
def test_results_that_are_not_as_specified(data: dict[str, Any], said: str) -> None:
    with pytest.raises(AdapterError, match=said):
        decode(data)


VALUES = {"mtu": 1400, "uplink": "eth0", "gateway_ipv4": None, "pool_ipv4_start": "192.0.2.65"}


def test_placeholders_keep_the_type_of_a_whole_value() -> None:
    assert placeholders.substitute({"mtu": "{mtu}", "text": "m{mtu}-{uplink}", "n": 3}, VALUES, "p") == {
        "mtu": 1400,
        "text": "m1400-eth0",
        "n": 3,
    }


def test_a_placeholder_without_value_leaves_out_its_list_entry_or_its_key() -> None:
    ipam = {
        "routes": [{"dst": "0.0.0.0/0", "gw": "{gateway_ipv4}"}, {"dst": "10.0.0.0/8"}],
        "ranges": [[{"rangeStart": "{pool_ipv4_start}", "gateway": "{gateway_ipv4?}"}]],
    }
    assert placeholders.substitute(ipam, VALUES, "p") == {
        "routes": [{"dst": "10.0.0.0/8"}],
        "ranges": [[{"rangeStart": "192.0.2.65"}]],
    }
    with pytest.raises(UsageError, match=r"p: \{gateway_ipv4\} has no value on this testbed; write \{gateway_ipv4\?\}"):
        placeholders.substitute({"gateway": "{gateway_ipv4}"}, VALUES, "p")


@pytest.mark.parametrize(
    ("plugin", "settings", "said"),
    [
        ({"type": "first", "x": [{"y": "{workload_ip4}"}]}, {}, r"plugins.0.x.0.y: .*did you mean \{workload_ipv4\}"),
        ({"type": "first", "x": "{endpoint}"}, {}, r"no placeholder \{endpoint\}"),
        ({"type": "first"}, {"args": {"K": "{nonsense}"}}, r"adapter.args.K: there is no placeholder"),
        ({"type": "a/b"}, {}, "the file name of its binary"),
        ({}, {}, "give it a `type`"),
        ({"type": "first", "capabilities": ["mac"]}, {}, "a table of true or false"),
        ({"type": "first"}, {"plugin_path": "/x"}, "plugin_path: unknown key; did you mean 'plugin_dir'"),
        ({"type": "first"}, {"conflist": {"cniversion": "1.0.0"}}, "unknown key; did you mean 'cniVersion'"),
        ({"type": "first"}, {"conflist": {"cniVersion": "9.9.9"}}, "9.9.9 is not spoken here"),
        ({"type": "first"}, {"interface": "sixteen-letters0"}, "adapter: interface"),
    ],
)
def test_wrong_settings_are_one_line(plugin: dict[str, Any], settings: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        settings_of(cni_profile(plugin, **settings))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [name for name in available() if name.startswith("cni-")])
def test_shipped_profiles_have_valid_settings(name: str) -> None:
    settings = settings_of(load(name))
    assert settings.declares("ips"), "the reference plugins take the addresses that are asked for"
    assert settings.declares("portMappings") == ("publish" in load(name).features)


def test_masquerading_is_the_only_difference_of_the_masquerading_bridge() -> None:
    plain, masquerading = (settings_of(load(name)).conflist.plugins[0] for name in ("cni-bridge", "cni-bridge-masq"))
    assert {**plain, "ipMasq": True} == masquerading
