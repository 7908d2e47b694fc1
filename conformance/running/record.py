"""Making one recording: the whole act, from an empty sandbox to a folder that can be judged anywhere."""

from __future__ import annotations

import os
import shutil
import socket
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import conformance
from conformance import testbed as testbeds
from conformance.adapters.interface import AdapterError, Identity, Unavailable
from conformance.adapters.interface.registry import adapter_for, with_modules
from conformance.attest import blocks
from conformance.extension import blamed
from conformance.family import Scenario, scenarios
from conformance.lab.flow import Engine
from conformance.lab.lab import PARTNERS, Lab
from conformance.lab.plain import try_cables
from conformance.lab.sandbox.rundir import partial_of
from conformance.lab.taps.ring import DEFAULT_SIZE, Instruction
from conformance.lab.taps.tap import Recorder, Watch
from conformance.profile import Profile
from conformance.provoking.context import Context, machine_load
from conformance.provoking.scenario import run, shape
from conformance.recording.events import row_of
from conformance.recording.model import IdentityState, Record
from conformance.recording.pcapng import Writer
from conformance.recording.store import FRAMES, LOGS, finish

GROUP_FRAMES: Final = (
    (0x30, 0, 0, 0),  # ldb [0]: the first byte of the destination
    (0x45, 0, 1, 1),  # jset 1: a group address, broadcast among them
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)
"""Classic BPF: frames to a group address alone, canaries among them. What is sent to one station its own tap sees."""


RACK_RING: Final = 1 << 20
"""Bytes of the top-of-rack's tap, which sees group frames, or the few frames of a quiet scenario."""


BROUGHT_UP: Final = "brought up s"
"""The figure of a recording that says how long lab and implementation took (guests boot) before the scenario began."""
TRACEBACK: Final = "traceback.txt"
"""The log that says where a module of others failed."""
STREAM_RETIRE_MS: Final = 200
"""Blocks of taps beside streams are handed over as rarely as this: sixteen of them outlast three seconds."""


@dataclass(frozen=True)
class Job:
    """What to record, as JSON values: it crosses from the command's process into the sandbox."""

    profile: Mapping[str, Any]
    testbed: Mapping[str, Any]
    scenario: str
    attempt: int
    variant: Literal["fast", "thorough"]
    destination: str
    made_again: tuple[str, ...] = ()


def record(scratch: Path, lifeline: socket.socket | None = None, **job: Any) -> str | None:
    """Record one scenario into `destination`; runs inside a sandbox, `scratch` is its tmpfs, `lifeline` a line to the
    custodian of the machine's NICs, if some of them are needed.

    Returns the precondition that failed in one sentence, or None. What goes wrong in a module of others is such a
    precondition, and its traceback lies in the logs. Whatever else goes wrong is an error of ours and is raised; then
    there is no recording.
    """
    wanted = Job(**job)
    destination = Path(wanted.destination)
    partial = partial_of(destination)
    if partial.exists():
        shutil.rmtree(partial)
    (partial / LOGS).mkdir(parents=True)
    try:
        try:
            made = _act(wanted, scratch, partial, lifeline)
        except (Exception, SystemExit) as failure:
            made = _without_lab(wanted, partial, _kept(failure, partial))
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    blocks.write(partial, (partial / FRAMES).read_bytes())
    finish(partial, destination, made)
    return made.problem


def _kept(failure: BaseException, partial: Path) -> str:
    """What failed in a module of others, in one sentence, with its traceback written to the logs; raises what is our
    own."""
    sentence = blamed(failure)
    if sentence is None:
        raise failure
    (partial / LOGS / TRACEBACK).write_text("".join(traceback.format_exception(failure)))
    return sentence


def _act(job: Job, scratch: Path, partial: Path, lifeline: socket.socket | None) -> Record:
    profile = Profile.model_validate(job.profile)
    scenario = scenarios()[job.scenario]
    testbed = shape(scenario, testbeds.Testbed.model_validate(job.testbed))
    adapter = adapter_for(profile)
    identity = adapter.identify()
    if isinstance(identity, Unavailable):
        raise AdapterError(identity.reason)
    started = time.time_ns()
    problem = None
    with (
        Lab(testbed, scratch / "lab", logs=partial / LOGS, shared=scratch.parent.parent, lifeline=lifeline) as lab,
        _recorder(scenario) as recorder,
        Engine() as engine,
    ):
        _watch(lab, recorder, scenario)
        plain = try_cables(lab)
        try:
            with adapter.deploy(lab) as subject:
                context = Context(lab, subject, recorder, engine, job.variant, profile)
                context.program = _program(scenario)
                context.events.extend(map(row_of, plain))
                context.figures[BROUGHT_UP] = round((time.time_ns() - started) / 1e9, 2)
                problem = _carried_out(scenario, context, partial)
                taps = recorder.stop(partial / FRAMES)
        except (Exception, SystemExit) as failure:
            problem = _undeployed(failure, partial)
            context = None
            taps = recorder.stop(partial / FRAMES)
    seen = {} if context is None else _seen(context)
    basis = _basis(job, partial, profile, started)
    return Record(
        **basis,
        identity=_identity(with_modules(identity, profile)),
        testbed=testbed,
        problem=problem,
        taps=taps,
        **seen,
    )


def _carried_out(scenario: Scenario, context: Context, partial: Path) -> str | None:
    """Carry out the scenario; returns the precondition that failed in one sentence, or None."""
    try:
        run(scenario, context)
    except AdapterError as refusal:
        return f"the implementation could not be brought up: {refusal}"
    except (Exception, SystemExit) as failure:
        return _kept(failure, partial)
    return None


def _undeployed(failure: BaseException, partial: Path) -> str:
    """Why the implementation was not deployed, or not taken away again, in one sentence; raises what is our own."""
    if isinstance(failure, AdapterError):
        return f"the implementation could not be deployed: {failure}"
    return _kept(failure, partial)


def _without_lab(job: Job, partial: Path, problem: str) -> Record:
    """The record of what failed before there was a lab, or as it ended; its capture is empty."""
    profile = Profile.model_validate(job.profile)
    with (partial / FRAMES).open("wb") as stream:
        Writer(stream)
    return Record(
        **_basis(job, partial, profile, time.time_ns()),
        identity=IdentityState(product=profile.title, version="unknown"),
        testbed=testbeds.Testbed.model_validate(job.testbed),
        problem=problem,
    )


def _basis(job: Job, partial: Path, profile: Profile, started: int) -> dict[str, Any]:
    """What every record has: of which job it is, when and on which machine it was made, and its logs."""
    return {
        "suite": conformance.__version__,
        "scenario": job.scenario,
        "variant": job.variant,
        "attempt": job.attempt,
        "made_again": tuple(job.made_again),
        "profile": profile,
        "kernel": os.uname().release,
        "processors": os.cpu_count() or 1,
        "load": machine_load(),
        "rootless": _rootless(),
        "started_ns": started,
        "finished_ns": time.time_ns(),
        "logs": tuple(sorted(path.name for path in (partial / LOGS).iterdir())),
    }


def _recorder(scenario: Scenario) -> Recorder:
    """Taps that bear a reader that is kept waiting, where streams keep the machine busy."""
    return Recorder(STREAM_RETIRE_MS) if scenario.streams or scenario.steady else Recorder()


def _program(scenario: Scenario) -> tuple[Instruction, ...]:
    """What the taps of a scenario keep: everything, or everything but the bulk of its streams."""
    from conformance.lab.streams.plan import keep_samples

    return keep_samples() if scenario.streams else ()


def _watch(lab: Lab, recorder: Recorder, scenario: Scenario) -> None:
    """Taps on every station before anything else happens; see `Scenario.inside`."""
    inside, program = scenario.inside, _program(scenario)
    size = DEFAULT_SIZE if scenario.streams else RACK_RING
    stations = [
        Watch(
            host.namespace,
            host.name,
            "inside",
            roles={host.uplink: "uplink", **{cable.interface: "port" for cable in host.cables if cable.interface}},
            only=None if inside else frozenset({host.uplink}),
            program=program,
        )
        for host in lab.hosts.values()
    ]
    if lab.partners is not None:
        stations.append(Watch(lab.partners, PARTNERS, "partner"))
    stations.append(Watch(lab.rack, "rack", "rack", program=program if inside else GROUP_FRAMES, size=size))
    stations.append(Watch(lab.client.namespace, lab.client.name, "client", program=program))
    recorder.watch_all(stations)


def _seen(context: Context) -> dict[str, Any]:
    return {
        "endpoints": tuple(context.states.values()),
        "ports": tuple(context.ports),
        "flows": tuple(sorted(context.flows, key=lambda flow: flow.id)),
        "matrices": tuple(context.matrices),
        "policies": tuple(context.policies),
        "events": tuple(context.events),
        "windows": tuple(context.windows),
        "snapshots": tuple(context.snapshots),
        "moves": tuple(context.moves),
        "streams": tuple(context.streams),
        "changes": tuple(context.changes),
        "figures": context.figures,
    }


def _identity(identity: Identity) -> IdentityState:
    return IdentityState(product=identity.product, version=identity.version, details=dict(identity.details))


def _rootless() -> bool:
    """Whether this sandbox maps another user to root."""
    inside, outside, _ = Path("/proc/self/uid_map").read_text().split()[:3]
    return inside != outside
