"""An adapter that lies outside the package: named by a profile as a file, or installed with an entry point."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command import outcomes, plugfest

from conformance.recording.store import find, load
from conformance.report.store import read

pytestmark = pytest.mark.outside

ADAPTER = '''
"""Endpoints on the hosts' own segment: an adapter of somebody else."""

from contextlib import contextmanager

from conformance.adapters.interface import AdapterError, Endpoint, Identity, Reported


class Cables:
    def __init__(self, lab):
        self.lab = lab
        self.namespaces = {}

    def prepare(self, host, name):
        return self.namespaces.setdefault(name, self.lab.namespace(name))

    def attach(self, host, request):
        if request.publish or request.addresses or request.extra_addresses:
            raise AdapterError(f"{request.name}: these cables have one address of each family")
        namespace = self.prepare(host, request.name)
        addresses = tuple(host.next_pool_address(version) for version in (4, 6))
        segment, routes = host.station.segment, self.lab.routes(host)
        self.lab.plug(namespace, "eth0", segment, request.name, addresses=addresses, routes=routes)
        return Endpoint(request.name, host.name, namespace, "eth0", Reported(addresses=addresses))

    def detach(self, endpoint):
        endpoint.namespace.netlink("link", "del", ifname=endpoint.interface)


class Adapter:
    weight = 1
    needs_root = False

    def __init__(self, profile):
        self.version = str(profile.adapter.get("version", "1"))

    def identify(self):
        return Identity("Cables of mine", self.version, {"by": "somebody else"})

    def plan(self):
        return ("per endpoint: a cable of mine",)

    @contextmanager
    def deploy(self, lab):
        yield Cables(lab)


def adapter(profile):
    return Adapter(profile)
'''

PROFILE = """
schema = 1
name = "{name}"
title = "Cables of mine, by an adapter of mine"
kind = "mine"
{module}
roles = ["workload-network"]
features = ["ipv4", "ipv6", "multi-host"]

[adapter]
version = "7.1"
"""

NARROW = ("--testbed", "same-subnet", "--only", "addr", "--out", "out")


def by_file(folder: Path) -> tuple[str, dict[str, str]]:
    """A Python file beside the profile, which is named by its path."""
    place = folder / "mine"
    place.mkdir()
    (place / "cables.py").write_text(ADAPTER)
    (place / "mine-file.toml").write_text(PROFILE.format(name="mine-file", module='module = "cables.py"'))
    return str(place / "mine-file.toml"), {}


def by_entry_point(folder: Path) -> tuple[str, dict[str, str]]:
    """A distribution of its own, as an installer leaves it."""
    site = folder / "site"
    (site / "mine-1.0.dist-info").mkdir(parents=True)
    (site / "mine_cables.py").write_text(ADAPTER)
    (site / "mine-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    points = "[conformance.adapters]\nmine = mine_cables:adapter\n"
    (site / "mine-1.0.dist-info" / "entry_points.txt").write_text(points)
    (folder / "mine-installed.toml").write_text(PROFILE.format(name="mine-installed", module=""))
    return "./mine-installed.toml", {"PYTHONPATH": str(site)}


@pytest.mark.parametrize("made", [by_file, by_entry_point], ids=["file", "entry-point"])
def test_an_adapter_of_somebody_else(made: object, tmp_path: Path) -> None:
    """From its profile to its report, end to end."""
    assert made in (by_file, by_entry_point)
    path, variables = by_file(tmp_path) if made is by_file else by_entry_point(tmp_path)
    plan = plugfest(tmp_path, "run", path, *NARROW, "--plan", **variables)
    assert plan.returncode == 0, plan.stderr
    name = Path(path).stem
    if made is by_file:
        assert f"{name}: not known before it runs: only `run` loads cables.py" in plan.stdout
    else:
        assert f"{name}: only `run` asks for its version" in plan.stdout
        assert "start   per endpoint: a cable of mine" in plan.stdout
    ended = plugfest(tmp_path, "run", path, *NARROW, **variables)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    code = f"module {tmp_path / 'mine' / 'cables.py'}" if made is by_file else "adapter mine (mine_cables)"
    assert f"code of others: {code}" in ended.stderr
    assert name in ended.stdout
    report = read(tmp_path / "out" / name)
    assert report.header.implementation is not None
    assert (report.header.implementation.product, report.header.implementation.version) == ("Cables of mine", "7.1")
    verdicts = {
        outcome["requirement"]: outcome["verdict"] for outcome in outcomes(tmp_path / "out" / name / "report.json")
    }
    assert verdicts["addr.reported"] == "pass"
    assert set(verdicts.values()) == {"pass", "unsupported"}
    endpoints = load(find(tmp_path / "out" / name)[0]).record.endpoints
    assert [endpoint.name for endpoint in endpoints] == ["h1a", "h1b", "h2a", "h2b"]
    judged = plugfest(tmp_path, "judge", "out", "--out", "elsewhere")
    assert judged.returncode == 0, "judging needs no adapter"


def test_an_installed_adapter_is_listed(tmp_path: Path) -> None:
    _, variables = by_entry_point(tmp_path)
    ended = plugfest(tmp_path, "list", "adapters", **variables)
    assert "mine" in [line.split()[0] for line in ended.stdout.splitlines()]


def test_a_broken_adapter_is_one_line(tmp_path: Path) -> None:
    path, _ = by_file(tmp_path)
    (tmp_path / "mine" / "cables.py").write_text("import nothing_of_the_kind\n")
    ended = plugfest(tmp_path, "run", path, *NARROW)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[1:] == [
        "plugfest: module: cables.py: cables.py:1: ModuleNotFoundError: No module named 'nothing_of_the_kind'"
    ]
    (tmp_path / "mine" / "cables.py").write_text("def adaptor(profile): ...\n")
    ended = plugfest(tmp_path, "run", path, *NARROW)
    assert ended.returncode == 2
    assert "it has no function adapter(profile)" in ended.stderr
    assert [place.name for place in tmp_path.iterdir()] == ["mine"]


BROKEN = {
    "adapter": (
        "        if request.publish or",
        "        request.labels['x']\n        if request.publish or",
        "KeyError: 'x'",
    ),
    "deploy": ("        yield Cables(lab)", "        yield Cables(lab.nothing)", "AttributeError: 'Lab' object has"),
}


@pytest.mark.parametrize("where", BROKEN)
@pytest.mark.parametrize("made", [by_file, by_entry_point], ids=["file", "entry-point"])
def test_an_exception_in_an_adapter_is_its_own(made: object, where: str, tmp_path: Path) -> None:
    """The recording is kept and decides nothing; the traceback lies beside it, and file and line are named."""
    path, variables = by_file(tmp_path) if made is by_file else by_entry_point(tmp_path)
    before, after, words = BROKEN[where]
    source = next(tmp_path.rglob("*cables.py"))
    source.write_text(ADAPTER.replace(before, after))
    line = 1 + next(n for n, text in enumerate(source.read_text().splitlines()) if after.split("\n")[0] in text)
    ended = plugfest(
        tmp_path, "run", path, "--testbed", "same-subnet", "--only", "addr.reported", "--out", "out", **variables
    )
    assert ended.returncode == 3, ended.stdout + ended.stderr
    folder = tmp_path / "out" / Path(path).stem
    (found,) = {verdict(one) for one in outcomes(folder / "report.json") if one["verdict"] != "unsupported"}
    module = source.name if made is by_file else source.stem
    assert found[0] == "inconclusive"
    assert found[1].startswith(f"the module {module} failed: {source.name}:{line}: {words}")
    recording = load(find(folder)[0])
    assert "traceback.txt" in recording.record.logs
    text = (recording.folder / "logs" / "traceback.txt").read_text()
    assert text.startswith("Traceback")
    assert str(source) in text


def verdict(outcome: dict[str, Any]) -> tuple[str, str]:
    """The verdict of an outcome, and what was seen."""
    return outcome["verdict"], outcome["attempts"][0]["seen"]


@pytest.mark.parametrize("function", ["identify", "plan", "adapter"])
def test_an_exception_before_anything_is_recorded(function: str, tmp_path: Path) -> None:
    path, variables = by_entry_point(tmp_path) if function == "plan" else by_file(tmp_path)
    source = next(tmp_path.rglob("*cables.py"))
    text, line = [], 0
    for row in ADAPTER.splitlines():
        text.append(row)
        if f"def {function}(" in row:
            indent = " " * (len(row) - len(row.lstrip()) + 4)
            text.append(f"{indent}1 / 0")
            line = len(text)
    source.write_text("\n".join(text))
    arguments = ("--plan",) if function == "plan" else ()
    ended = plugfest(tmp_path, "run", path, *NARROW, *arguments, **variables)
    assert ended.returncode == (2 if function == "adapter" else 3), ended.stdout + ended.stderr
    assert f"cables.py:{line}: ZeroDivisionError: division by zero" in ended.stdout + ended.stderr


FAMILY = {
    "__init__.py": """
from conformance.family import Family, Scenario

SCENARIO = Scenario(name="theirs", title="Endpoints are attached", module=f"{__name__}.scenario", waits=1.0)
FAMILY = Family(name="theirs", title="Theirs", package=__name__, scenarios=(SCENARIO,))
""",
    "requirements.toml": """
[[requirement]]
id = "theirs.links-up"
level = "SUITE"
statement = "Every endpoint's interface is up."
source = "this suite"
clause_check = "suite"
stimulus = "Attach endpoints."
expects = "The kernel shows the interface of every endpoint as up."
roles = ["workload-network"]
features = []
timer = "-"
""",
    "scenario.py": """
from conformance.adapters.interface import Attachment


def shape(testbed):
    return testbed


def run(context):
    context.attach(context.hosts[0], Attachment("h1a"))
""",
    "checks.py": """
from conformance.judging.register import check


@check("theirs.links-up", scenario="theirs")
def test_links_up(case):
    for one in case.endpoints:
        case.expect(one.kernel.up, expected="it is up", seen="it is down")
""",
}
WRONG = {
    "scenario-import": ("scenario.py", "from conformance", "1 / 0\nfrom conformance", "ZeroDivisionError"),
    "scenario-shape": ("scenario.py", "return testbed", "return testbed.nothing", "AttributeError: 'Testbed' object"),
    "scenario": ("scenario.py", "context.hosts[0]", "context.hosts[9]", "IndexError: list index out of range"),
    "scenario-in-our-code": ("scenario.py", 'Attachment("h1a")', "None", "AttributeError: 'NoneType' object"),
    "check": ("checks.py", "one.kernel.up", "one.kernel.upp", "AttributeError: 'InterfaceState' object has no"),
}


def family(site: Path) -> Path:
    """A family of somebody else, as an installer leaves it; returns its package."""
    package = site / "their_family"
    package.mkdir(parents=True)
    for name, text in FAMILY.items():
        (package / name).write_text(text.lstrip())
    information = site / "theirs-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[conformance.families]\ntheirs = their_family\n")
    return package


@pytest.mark.parametrize("where", WRONG)
def test_an_exception_in_a_family_is_its_own(where: str, tmp_path: Path) -> None:
    """The recording is kept, and its outcomes are inconclusive: the suite did nothing wrong."""
    file, before, after, words = WRONG[where]
    source = family(tmp_path / "site") / file
    source.write_text(source.read_text().replace(before, after, 1))
    line = 1 + next(n for n, text in enumerate(source.read_text().splitlines()) if after.split("\n")[0] in text)
    arguments = ("--testbed", "same-subnet", "--only", "theirs", "--out", "out")
    ended = plugfest(tmp_path, "run", "routed-64", *arguments, PYTHONPATH=str(tmp_path / "site"))
    assert ended.returncode == 3, ended.stdout + ended.stderr
    ((said, seen),) = [verdict(one) for one in outcomes(tmp_path / "out" / "routed-64" / "report.json")]
    assert said == "inconclusive"
    assert f"the module their_family.{source.stem} failed: {source.name}:{line}: {words}" in seen
    (recording,) = find(tmp_path / "out" / "routed-64")
    logs = json.loads((recording / "recording.json").read_text()).get("logs", ())
    assert ("traceback.txt" in logs) is (where != "check")


def test_a_sound_family_is_judged(tmp_path: Path) -> None:
    family(tmp_path / "site")
    arguments = ("--testbed", "same-subnet", "--only", "theirs", "--out", "out")
    ended = plugfest(tmp_path, "run", "routed-64", *arguments, PYTHONPATH=str(tmp_path / "site"))
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_broken_check_is_one_line(tmp_path: Path) -> None:
    """What cannot be imported ends every command before anything is recorded."""
    source = family(tmp_path / "site") / "checks.py"
    for wrong, words in (
        (("theirs.links-up", "theirs.links-down"), "checks.py:4: UnknownRequirement: no requirement"),
        (('scenario="theirs"', 'scenario="their"'), "checks.py:4: ValueError: 'their' is not known; did you mean 'the"),
        (("def test", "def  (test"), "checks.py:5: SyntaxError: "),
    ):
        source.write_text(FAMILY["checks.py"].lstrip().replace(*wrong))
        ended = plugfest(tmp_path, "run", "routed-64", "--only", "nat", PYTHONPATH=str(tmp_path / "site"))
        assert ended.returncode == 2, ended.stdout + ended.stderr
        (said,) = ended.stderr.splitlines()
        assert said.startswith(f"plugfest: family theirs: their_family.checks: {words}")
