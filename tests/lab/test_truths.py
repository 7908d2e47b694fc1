"""What the suite says of real implementations, against what is known of them; one run of everything.

The product never reads these expectations. Where a real result differs, find out which of the two is wrong.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from command import outcomes, plugfest

pytestmark = [pytest.mark.outside, pytest.mark.peers, pytest.mark.timeout(900)]

TRUTHS: Mapping[str, Mapping[str, list[str]]] = tomllib.loads(Path(__file__).with_name("truths.toml").read_text())
SEVERITY = ("not-applicable", "unsupported", "pass", "inconclusive", "error", "fail")

Outcomes = list[dict[str, Any]]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() != 0:
        pytest.skip("container engines need root")
    folder = tmp_path_factory.mktemp("truths")
    done = plugfest(folder, "run", "--all", "--out", "run")
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr[-3000:]
    return folder / "run"


@pytest.fixture
def judged(everything: Path, name: str) -> Outcomes:
    return _of(everything, name)


def _of(everything: Path, name: str) -> Outcomes:
    path = everything / name / "report.json"
    unavailable = json.loads(path.read_text())["header"]["unavailable"]
    if unavailable:
        pytest.skip(f"{name}: {unavailable['reason']} {unavailable['packages']}")
    return outcomes(path)


def _select(found: Outcomes, requirement: str, **parameters: str) -> set[str]:
    """The verdicts of a requirement's outcomes with these parameters; there must be one."""
    wanted = parameters.items()
    chosen = {o["verdict"] for o in found if o["requirement"] == requirement and wanted <= o["parameters"].items()}
    assert chosen, f"no outcome of {requirement} with {parameters}"
    return chosen


def _cells(found: Outcomes) -> dict[str, str]:
    cells: dict[str, str] = {}
    for outcome in found:
        known = cells.get(outcome["requirement"], SEVERITY[0])
        cells[outcome["requirement"]] = max(known, outcome["verdict"], key=SEVERITY.index)
    return cells


@pytest.mark.parametrize("name", sorted(TRUTHS))
def test_the_matrix_is_true(name: str, judged: Outcomes) -> None:
    cells = _cells(judged)
    for verdict in ("fail", "inconclusive"):
        assert sorted(row for row, seen in cells.items() if seen == verdict) == TRUTHS[name][verdict], verdict
    assert "error" not in cells.values()


@pytest.mark.parametrize("name", ["docker-bridge"])
def test_docker_bridge(judged: Outcomes) -> None:
    assert _select(judged, "route.from-outside-v4") == {"fail"}
    assert _select(judged, "nat.tcp-untranslated", family="ipv4", path="outbound") == {"fail"}
    assert _select(judged, "nat.tcp-untranslated", family="ipv4", path="same-host") == {"pass"}
    assert _select(judged, "route.from-outside-v6") == {"unsupported"}
    assert _select(judged, "route.same-host", family="ipv6") == {"unsupported"}


@pytest.mark.parametrize("name", ["docker-published-port"])
def test_docker_published_port(judged: Outcomes) -> None:
    """IPv4: destination rewritten, client kept, own address answers on that port; IPv6 and hairpin go by a proxy."""
    assert _select(judged, "route.from-outside-v4", protocol="tcp") == {"pass"}
    assert _select(judged, "route.from-outside-v4", protocol="icmp") == {"fail"}
    assert _select(judged, "nat.client-address", path="published") == {"fail"}
    assert _select(judged, "nat.client-address", family="ipv6", path="inbound") == {"pass"}
    published = [
        o for o in judged if o["requirement"] == "nat.client-address" and o["parameters"]["path"] == "published"
    ]
    for outcome in published:
        client = "client 203.0.113.200" if outcome["parameters"]["testbed"] == "routed" else "client 192.0.2.200"
        if outcome["parameters"]["family"] == "ipv4":
            port = outcome["seen"].split(client + ":")[1].split()[0]
            assert f"saw {client.split()[1]}:{port} -> 10." in outcome["seen"]
        else:
            assert "saw [2001:db8:" in outcome["seen"]
            assert "::1]:" in outcome["seen"].split("saw ")[1]


@pytest.mark.parametrize("name", ["docker-bridge-ipv6"])
def test_docker_bridge_ipv6(judged: Outcomes) -> None:
    assert _select(judged, "route.from-outside-v6") == {"pass"}
    assert _select(judged, "nat.ipv6-untranslated") == {"pass"}
    assert _select(judged, "route.well-known-port", family="ipv6") == {"pass"}


@pytest.mark.parametrize("name", ["docker-overlay"])
def test_docker_overlay(judged: Outcomes) -> None:
    assert _select(judged, "route.cross-host", family="ipv4") == {"pass"}
    assert _select(judged, "route.from-outside-v4") == {"fail"}
    assert _select(judged, "nat.tcp-untranslated", family="ipv4", path="outbound") == {"fail"}


@pytest.mark.parametrize("name", ["vxlan"])
def test_vxlan_is_an_island(judged: Outcomes) -> None:
    assert _select(judged, "route.cross-host") == {"pass"}
    assert _select(judged, "route.from-outside-v4") == {"fail"}
    assert _select(judged, "route.to-outside") == {"fail"}


def test_masquerading_differs_in_nat_alone(everything: Path) -> None:
    """cni-bridge-masq differs from cni-bridge in nat and in the source side of the socket identity, nowhere else."""
    plain, masked = _of(everything, "cni-bridge"), _of(everything, "cni-bridge-masq")
    other = {
        (one["requirement"], one["parameters"].get("path"))
        for one, two in zip(plain, masked, strict=True)
        if one["verdict"] != two["verdict"]
    }
    assert {row for row, _ in other if not row.startswith("nat.")} == {"route.socket-identity"}
    assert {path for row, path in other if row == "route.socket-identity"} == {"cross-host", "outbound"}
