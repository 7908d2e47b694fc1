"""A family of somebody else asks for facts of every host: they are in its recordings, and its check reads them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from command import Stranger, outcomes, plugfest
from machine import unchanged

from conformance.recording.facts import FACTS, HostFacts
from conformance.recording.store import find, load

pytestmark = pytest.mark.outside

FAMILY = '''
"""What a host's kernel says of itself."""

from conformance.family import Facts, Family

FAMILY = Family(
    name="kernel",
    title="What a host says of itself",
    package=__name__,
    facts=Facts(
        sysctls=("net.ipv4.ip_forward", "net.ipv4.nothing"),
        files=("/proc/net/snmp", "/sys/class/net/lo/address"),
        commands=(("sh", "-c", "echo on; exit 3"), ("/usr/bin/no-such-program",)),
        views=("bindings", "routes"),
    ),
)
'''

REQUIREMENTS = """
[[requirement]]
id = "kernel.says-so"
level = "SUITE"
statement = "Every host says whether it forwards."
source = "none: a test's own"
clause_check = "memory"
stimulus = "None: the hosts are asked."
expects = "net.ipv4.ip_forward is 0 or 1."
roles = ["workload-network"]
features = []
timer = "-"
"""

CHECKS = '''
"""What hosts say of themselves."""

from conformance.judging.case import Case
from conformance.judging.register import check


@check("kernel.says-so", scenario="reachability")
def test_says_so(case: Case) -> None:
    """Every host says whether it forwards."""
    for host in ("h1", "h2"):
        facts = case.facts("kernel", host, "after")
        value = facts.sysctls["net.ipv4.ip_forward"]
        seen = f"{host}: net.ipv4.ip_forward is {value}"
        case.expect(value in ("0", "1"), expected="the host says whether it forwards", seen=seen)
'''


def install(site: Path) -> None:
    """The family as a distribution of its own, as an installer leaves it."""
    (site / "kernel-1.0.dist-info").mkdir(parents=True)
    (site / "kernel-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: kernel\nVersion: 1.0\n")
    (site / "kernel-1.0.dist-info" / "entry_points.txt").write_text("[conformance.families]\nkernel = kernel_family\n")
    package = site / "kernel_family"
    package.mkdir()
    (package / "__init__.py").write_text(FAMILY)
    (package / "requirements.toml").write_text(REQUIREMENTS)
    (package / "checks.py").write_text(CHECKS)


def test_facts_of_a_family_are_recorded_and_judged() -> None:
    """Without root, from its package to its verdict."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with unchanged(), tempfile.TemporaryDirectory(prefix="plugfest-stranger-") as name:
        Path(name).chmod(0o755)
        stranger = Stranger(Path(name))
        site = Path(name) / "site"
        install(site)
        narrow = ("--testbed", "same-subnet", "--only", "kernel", "--out", "out")
        ended = stranger.plugfest("run", "routed-64", *narrow, PYTHONPATH=str(site))
        if "Operation not permitted" in ended.stderr and "unshare" in ended.stderr:
            pytest.skip("this machine gives its users no namespaces")
        assert ended.returncode == 0, ended.stdout + ended.stderr
        folder = stranger.home / "out" / "routed-64"
        assert [(one["requirement"], one["verdict"]) for one in outcomes(folder / "report.json")] == [
            ("kernel.says-so", "pass")
        ]
        record = load(find(folder)[0]).record
        assert record.rootless
        shown = {one.where: one.further for one in record.snapshots if FACTS in one.further}
        assert set(shown) == {"h1", "h2"}, "facts are of hosts"
        facts = HostFacts.model_validate(shown["h1"][FACTS]["kernel"])
    assert facts.sysctls == {"net.ipv4.ip_forward": "1"}
    assert facts.files["/proc/net/snmp"].startswith("Ip: Forwarding")
    assert facts.files["/proc/net/snmp"].splitlines()[1].startswith("Ip: 1 "), "of the host, not of the machine"
    assert facts.files["/sys/class/net/lo/address"].strip() == "00:00:00:00:00:00"
    assert facts.absent == {
        "net.ipv4.nothing": "No such file or directory",
        "bindings": "the implementation shows no tables by name",
        "routes": "the implementation shows no tables by name",
    }
    failed, absent = facts.commands
    assert (failed.output, failed.exit_code) == ("on\n", 3)
    assert (absent.exit_code, absent.problem) == (None, "No such file or directory")


@pytest.mark.peers
def test_tables_of_an_implementation_are_recorded_by_name(tmp_path: Path) -> None:
    """A real switch shows over SSH what a family asks for, in the columns of its dialect."""
    if os.geteuid() != 0:
        pytest.skip("real peers need root")
    install(tmp_path / "site")
    narrow = ("--testbed", "same-subnet", "--only", "kernel", "--out", "out")
    with unchanged():
        ended = plugfest(tmp_path, "run", "frr-switch", *narrow, PYTHONPATH=str(tmp_path / "site"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    record = load(find(tmp_path / "out" / "frr-switch")[0]).record
    after = next(one.further for one in record.snapshots if (one.where, one.moment) == ("h1", "after"))
    facts = HostFacts.model_validate(after[FACTS]["kernel"])
    known = {row["address"]: row["mac"] for row in facts.views["bindings"]}
    mine = [one for one in record.endpoints if one.host == "h1"]
    assert mine
    for endpoint in mine:
        assert known[endpoint.reported_addresses[0].partition("/")[0]] == endpoint.kernel.mac
    assert facts.absent["routes"].endswith("it does not show its routes")
