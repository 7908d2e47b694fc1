"""The CNI runtime against plugins of our own: what each is called with, and what becomes of what it answers."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.adapters.cni import adapter
from conformance.adapters.cni.plugin import PluginError, run_here
from conformance.adapters.cni.runtime import CniContainer, Network, Runtime
from conformance.adapters.interface import AdapterError, Identity, Unavailable
from conformance.profile import Profile, parse

PLUGIN = """#!{python} -I
import json, os, pathlib, sys
here = pathlib.Path(__file__)
answers = json.loads(here.with_suffix(".json").read_text())
command = os.environ["CNI_COMMAND"]
if not command:
    print("CNI fake plugin v9.8.7", file=sys.stderr)
    sys.exit(0)
config = json.load(sys.stdin)
cni = {{key: value for key, value in os.environ.items() if key.startswith("CNI_")}}
if command != "VERSION":
    with (here.parent / "calls").open("a") as calls:
        calls.write(json.dumps([here.name, command, config, cni]) + "\\n")
answer = answers.get(command, {{}})
if "print" in answer:
    print(answer["print"])
elif command == "ADD" and not answer.get("exit"):
    print(json.dumps({{**config.get("prevResult", {{}}), **answer.get("result", {{}})}}))
print(answer.get("stderr", ""), file=sys.stderr)
sys.exit(answer.get("exit", 0))
"""

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
BOX = CniContainer("c1", "/proc/1/fd/7")

Make = Callable[..., None]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a plugin; keywords are its answers by command, `versions` its answer to VERSION."""

    def write(name: str, versions: tuple[str, ...] = ("0.4.0", "1.0.0"), **answers: Mapping[str, Any]) -> None:
        path = tmp_path / name
        path.write_text(PLUGIN.format(python=sys.executable))
        path.chmod(0o755)
        said = {"print": json.dumps({"cniVersion": versions[-1], "supportedVersions": versions})}
        path.with_suffix(".json").write_text(json.dumps({"VERSION": said, **answers}))

    return write


@pytest.fixture
def runtime(tmp_path: Path) -> Callable[..., Runtime]:
    def build(*plugins: dict[str, Any], version: str = "1.0.0", **more: Any) -> Runtime:
        network = Network("net", version, plugins, **more)
        return Runtime(run_here, [tmp_path], network, tmp_path / "results", tmp_path / "log")

    return build


@pytest.fixture
def calls(tmp_path: Path) -> Callable[[], list[Any]]:
    place = tmp_path / "calls"
    return lambda: [json.loads(line) for line in place.read_text().splitlines()] if place.exists() else []


def cni_profile(folder: Path, *plugins: dict[str, Any], **settings: Any) -> Profile:
    conflist = {"plugins": list(plugins), **settings.pop("conflist", {})}
    data = {
        "schema": 1,
        "name": "own",
        "title": "A plugin of ours",
        "kind": "cni",
        "roles": ["workload-network"],
        "features": ["ipv4"],
        "packages": ["some-package"],
        "adapter": {"plugin_dir": str(folder), "conflist": conflist, **settings},
    }
    return parse(data, "own.toml")


def test_add_chains_the_plugins_by_prev_result(make: Make, runtime: Any, calls: Any) -> None:
    make("first", ADD={"result": RESULT})
    make("second", ADD={"result": {"dns": {"domain": "x"}}})
    result = runtime({"type": "first", "own": [1, {"k": True}]}, {"type": "second"}).add(BOX)
    assert result == {**RESULT, "dns": {"domain": "x"}}
    (one, _, config, cni), (two, _, chained, _) = calls()
    assert (one, two) == ("first", "second")
    assert config == {"type": "first", "own": [1, {"k": True}], "cniVersion": "1.0.0", "name": "net"}
    assert chained["prevResult"] == RESULT
    assert cni == {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": "/proc/1/fd/7",
        "CNI_IFNAME": "eth0",
        "CNI_ARGS": "",
        "CNI_PATH": cni["CNI_PATH"],
    }


def test_capability_arguments_go_to_the_plugins_that_declare_them(make: Make, runtime: Any, calls: Any) -> None:
    make("first", ADD={"result": RESULT})
    make("second")
    ports = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]
    container = CniContainer(
        "c1", "/n", args={"IgnoreUnknown": "1", "K": "v"}, capabilities={"portMappings": ports, "mac": "m"}
    )
    runtime(
        {"type": "first", "capabilities": {"bandwidth": True, "mac": False}},
        {"type": "second", "capabilities": {"portMappings": True}},
    ).add(container)
    first, second = calls()
    assert "runtimeConfig" not in first[2]
    assert second[2]["runtimeConfig"] == {"portMappings": ports}
    assert all("capabilities" not in call[2] for call in (first, second))
    assert first[3]["CNI_ARGS"] == "IgnoreUnknown=1;K=v"


def test_delete_runs_in_reverse_with_the_kept_result(make: Make, runtime: Any, calls: Any, tmp_path: Path) -> None:
    make("first", ADD={"result": RESULT})
    make("second", ADD={"result": {"dns": {"domain": "x"}}})
    plugins: tuple[dict[str, Any], ...] = ({"type": "first"}, {"type": "second", "capabilities": {"mac": True}})
    runtime(*plugins).add(CniContainer("c1", "/n", capabilities={"mac": "m"}))
    (kept,) = (tmp_path / "results").iterdir()
    assert json.loads(kept.read_text())["result"] == {**RESULT, "dns": {"domain": "x"}}
    again = runtime(*plugins)  # a runtime that knows nothing but the folder
    again.delete(CniContainer("c1", ""))
    deleted = calls()[2:]
    assert [call[:2] for call in deleted] == [["second", "DEL"], ["first", "DEL"]]
    assert all(call[2]["prevResult"]["dns"] == {"domain": "x"} for call in deleted)
    assert deleted[0][2]["runtimeConfig"] == {"mac": "m"}
    assert deleted[0][3]["CNI_NETNS"] == "/n"
    assert again.cached(BOX) is None
    again.delete(BOX)
    assert "prevResult" not in calls()[-1][2], "DEL may be repeated, and nothing is kept any more"


def test_delete_before_0_4_0_has_no_prev_result(make: Make, runtime: Any, calls: Any) -> None:
    make("first", ADD={"result": RESULT})
    old = runtime({"type": "first"}, version="0.3.1")
    old.add(BOX)
    with pytest.raises(AdapterError, match=r"CNI 0.3.1 has no CHECK"):
        old.check(BOX)
    old.delete(BOX)
    assert "prevResult" not in calls()[-1][2]


def test_check_passes_the_kept_result(make: Make, runtime: Any, calls: Any) -> None:
    make("first", ADD={"result": RESULT}, CHECK={"exit": 1, "print": json.dumps({"code": 101, "msg": "no address"})})
    checked = runtime({"type": "first"})
    with pytest.raises(AdapterError, match="it is not attached"):
        checked.check(BOX)
    checked.add(BOX)
    with pytest.raises(PluginError, match=r"first CHECK failed \(code 101\): no address"):
        checked.check(BOX)
    assert calls()[-1][2]["prevResult"] == RESULT


def test_a_list_may_switch_check_off(make: Make, runtime: Any, calls: Any) -> None:
    make("first", ADD={"result": RESULT}, CHECK={"exit": 1})
    silent = runtime({"type": "first"}, disable_check=True)
    silent.add(BOX)
    silent.check(BOX)
    assert [call[1] for call in calls()] == ["ADD"]


def test_a_failed_add_is_deleted_again(make: Make, runtime: Any, calls: Any) -> None:
    make("first", ADD={"result": RESULT})
    error = {"cniVersion": "1.0.0", "code": 11, "msg": "try again", "details": "pool is empty"}
    make("second", ADD={"exit": 1, "print": json.dumps(error)})
    failing = runtime({"type": "first"}, {"type": "second"})
    with pytest.raises(PluginError) as caught:
        failing.add(BOX)
    problem = caught.value
    assert (problem.plugin, problem.code, problem.message, problem.details) == (
        "second",
        11,
        "try again",
        "pool is empty",
    )
    assert str(problem) == "second ADD failed (code 11): try again: pool is empty"
    assert [call[:2] for call in calls()] == [["first", "ADD"], ["second", "ADD"], ["second", "DEL"], ["first", "DEL"]]
    assert failing.cached(BOX) is None


def test_what_goes_wrong_in_deleting_again_is_told(make: Make, runtime: Any) -> None:
    make("first", ADD={"exit": 3, "stderr": "panic: nil"}, DEL={"exit": 1, "print": '{"code": 5, "msg": "busy"}'})
    with pytest.raises(AdapterError, match=r"exit code 3, and no error object: panic: nil; and then .*busy"):
        runtime({"type": "first"}).add(BOX)


def test_an_error_object_on_standard_error_is_read_too(make: Make, runtime: Any) -> None:
    make("first", ADD={"exit": 1, "stderr": '{"code": 7, "msg": "no subnet"}'})
    with pytest.raises(PluginError, match=r"\(code 7\): no subnet"):
        runtime({"type": "first"}).add(BOX)


@pytest.mark.parametrize(
    ("printed", "said"),
    [("", "not JSON"), ("[1]", "not a JSON object"), ("{} trailing", "not JSON")],
)
def test_a_result_that_is_none(make: Make, runtime: Any, printed: str, said: str) -> None:
    make("first", ADD={"print": printed})
    with pytest.raises(AdapterError, match=said):
        runtime({"type": "first"}).add(BOX)


def test_a_missing_or_broken_binary(runtime: Any, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="there is no CNI plugin 'first'"):
        runtime({"type": "first"}).add(BOX)
    (tmp_path / "first").write_text("\x7fELF nonsense")
    (tmp_path / "first").chmod(0o755)
    with pytest.raises(AdapterError, match=r"cannot be run: Exec format error"):
        runtime({"type": "first"}).add(BOX)


def test_every_call_is_logged(make: Make, runtime: Any, tmp_path: Path) -> None:
    make("first", ADD={"result": RESULT}, DEL={"exit": 1})
    logged = runtime({"type": "first"})
    logged.add(BOX)
    with pytest.raises(AdapterError):
        logged.delete(BOX)
    added, deleted = (json.loads(line) for line in (tmp_path / "log").read_text().splitlines())
    assert json.loads(added["output"]) == RESULT
    assert deleted["error"].startswith("first DEL failed")
    assert logged.cached(BOX) is not None, "an attachment whose DEL failed can be deleted again"


@pytest.mark.parametrize("name", ["", "-a", "a/b", "a b"])
def test_container_ids_are_as_specified(name: str) -> None:
    with pytest.raises(ValueError, match="no CNI container ID"):
        CniContainer(name, "/n")


def test_identity_is_what_the_plugins_say(make: Make, tmp_path: Path) -> None:
    make("first", versions=("0.3.1", "1.0.0"))
    make("second", versions=("0.3.1", "0.4.0"))
    make("local")
    found = adapter(cni_profile(tmp_path, {"type": "first", "ipam": {"type": "local"}})).identify()
    assert isinstance(found, Identity)
    assert (found.product, found.version, found.details["cniVersion"]) == ("CNI plugin first", "9.8.7", "1.0.0")
    assert found.details["local path"] == str(tmp_path / "local")
    chained = adapter(cni_profile(tmp_path, {"type": "first"}, {"type": "second"}))
    both = chained.identify()
    assert isinstance(both, Identity)
    assert (both.product, both.details["cniVersion"]) == ("CNI plugins first, second", "0.3.1")
    assert both.details["second supports"] == "0.3.1 0.4.0"
    plan = chained.plan()
    assert len(plan) == 3
    assert "CNI_COMMAND=ADD" in plan[0]
    assert "prevResult chained" in plan[1]
    assert "(second, first)" in plan[2]


def test_unavailable_names_what_is_missing_and_its_packages(make: Make, tmp_path: Path) -> None:
    missing = adapter(cni_profile(tmp_path, {"type": "first"})).identify()
    assert missing == Unavailable(f"there is no CNI plugin 'first' in {tmp_path}", ("some-package",))
    make("first", versions=("0.1.0",))
    old = adapter(cni_profile(tmp_path, {"type": "first"})).identify()
    assert isinstance(old, Unavailable)
    assert "no version of CNI is common" in old.reason
    make("first")
    program = adapter(cni_profile(tmp_path, {"type": "first"}, programs=["no-such-program"])).identify()
    assert isinstance(program, Unavailable)
    assert "'no-such-program', which is not installed" in program.reason
