"""Captures from the field, and what is heard on an interface: ``plugfest judge --capture``, ``plugfest listen``."""

from __future__ import annotations

import datetime
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import conformance
from conformance.commands.matrix import print_matrix
from conformance.errors import UsageError
from conformance.judging.capture import (
    ROLES,
    Found,
    Kept,
    Role,
    families_of,
    outcomes,
    read_capture,
    taken_at,
    write_frames,
)
from conformance.judging.checks import checks
from conformance.profile import NAME, Profile
from conformance.protocols.mac import mac_from
from conformance.recording.capture import NotACapture
from conformance.report import gate, store
from conformance.report.assemble import from_outcomes
from conformance.report.model import Header, Implementation, Report
from conformance.report.render import junit
from conformance.report.render.text import printable
from conformance.requirement import catalogue_hash

_TIME: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?")
_UNITS: Final = {None: 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PROFILE_ROLES: Final = {"mover": "address-mover"}
MOST_SENDERS: Final = 1000
"""Senders of one role in a capture that are judged: what more there are would take minutes."""
LONGEST_LISTEN: Final = 7 * 24 * 3600.0


def judge_capture(file: Path, *, role: str | None, mac: str | None, out: Path | None) -> int:
    """Judge one capture file in one pass. Raises UsageError where it is none, or an option cannot be understood."""
    wanted, address = role_named(role), mac_named(mac)
    try:
        with file.open("rb") as stream:
            found = read_capture(stream)
    except NotACapture as problem:
        raise UsageError(f"--capture {file.name}: {problem}") from None
    except OSError as problem:
        raise UsageError(f"--capture {file.name}: cannot be read: {problem.strerror}") from None
    return _judge(found, file.name, wanted, address, out)


def listen(interface: str, *, seconds: str, role: str | None, mac: str | None, out: Path | None) -> int:
    """Record an interface of this machine without sending anything, and judge what was heard. Raises UsageError."""
    from conformance.lab.taps.passive import hear

    wanted, address, duration = role_named(role), mac_named(mac), seconds_named(seconds)
    with tempfile.TemporaryDirectory(prefix="plugfest-heard-") as folder:
        place = Path(folder, f"{interface.replace('/', '_')}.pcapng")
        if out is not None:
            _make(out)
            place = out / place.name
        try:
            heard = hear(interface, duration, place)
        except OSError as problem:
            reason = problem.strerror or str(problem)
            raise UsageError(f"listen {interface}: {reason} (it needs an interface that is up, and root)") from None
        print(f"heard {heard} frames of link protocols on {interface}")  # noqa: T201 - what was asked for
        with place.open("rb") as stream:
            return _judge(read_capture(stream), place.name, wanted, address, out)


def role_named(role: str | None) -> Role | None:
    """A role by its name. Raises UsageError."""
    if role is None:
        return None
    for known in ROLES:
        if known == role:
            return known
    raise UsageError(f"--role {role}: there are {', '.join(ROLES)}")


def mac_named(mac: str | None) -> str | None:
    """A MAC address as the suite writes it. Raises UsageError."""
    if mac is None:
        return None
    found = mac_from(mac)
    if found is None:
        raise UsageError(f"--mac {mac}: not a MAC address; write it as 00:00:5e:00:53:01")
    return found


def seconds_named(text: str) -> float:
    """A duration such as 60s, 5m or 90. Raises UsageError."""
    found = _TIME.fullmatch(text.strip())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < seconds <= LONGEST_LISTEN:
        raise UsageError(f"--for {text}: write a duration such as 60s, 5m or 1h, up to a week")
    return seconds


def _judge(found: Found, name: str, role: Role | None, mac: str | None, out: Path | None) -> int:
    _tell(found, name)
    roles = [role] if role is not None else found.roles()
    if not roles:
        print("no frame of a link protocol: nothing to judge")  # noqa: T201 - what was asked for
        return 3
    known = checks()
    reports = []
    with tempfile.TemporaryDirectory(prefix="plugfest-field-") as folder:
        write_frames(found, Path(folder))
        for each in roles:
            senders = [mac] if mac is not None else _first(found, each)
            profile = _profile(name, each)
            kept = Kept(profile, Path(folder), name)
            listed = list(outcomes(found, kept, known, role=each, senders=senders))
            if listed:
                reports.append(from_outcomes(_header(profile, each, found), listed))
            else:
                print(f"{each}: nobody in it speaks so, or no check decides it yet")  # noqa: T201 - what was asked for
    if not reports:
        return 3
    print_matrix(reports)
    if out is not None:
        _write(reports, out)
    return gate.exit_code(reports)


def _first(found: Found, role: Role) -> list[str]:
    """The senders of a role that are judged; where there are more, every judgement says so."""
    senders = list(found.senders(role))
    if len(senders) > MOST_SENDERS:
        note = f"judged are {MOST_SENDERS} of its {len(senders)} senders ({role}); name others with --mac"
        print(note, file=sys.stderr)  # noqa: T201 - what is not judged
        found.notes.append(note)
    return senders[:MOST_SENDERS]


def _tell(found: Found, name: str) -> None:
    """What the pass found, and every reservation, a line each."""
    name = printable(name)
    print(f"{name}: {found.total} frames, {len(found.frames)} of them of link protocols")  # noqa: T201
    for note in found.notes:
        print(f"{name}: {printable(note)}", file=sys.stderr)  # noqa: T201 - the clear line that says what is not judged


def _profile(name: str, role: Role) -> Profile:
    plain = re.sub(r"[^a-z0-9._-]", "-", Path(name).stem.lower()).lstrip("-._") or "capture"
    assert re.fullmatch(NAME, plain)
    return Profile.model_validate(
        {
            "schema": 1,
            "name": f"{plain}@{role}",
            "title": f"{name}, as {role}",
            "kind": "capture",
            "roles": [_PROFILE_ROLES.get(role, role)],
            "features": [],
        }
    )


def _header(profile: Profile, role: Role, found: Found) -> Header:
    return Header(
        version=conformance.__version__,
        catalogue=catalogue_hash(),
        profile=profile.name,
        title=profile.title,
        roles=profile.roles,
        implementation=Implementation(product="capture", version="-"),
        kernel=os.uname().release,
        testbeds=("capture",),
        scenarios=(),
        only=families_of(role),
        date=datetime.datetime.fromtimestamp(int(taken_at(found)), datetime.UTC),
        command=shlex.join(("plugfest", *sys.argv[1:])),
    )


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise UsageError(f"--out {out}: cannot be made: {problem.strerror}") from None


def _write(reports: Sequence[Report], out: Path) -> None:
    _make(out)
    for report in reports:
        store.write(report, out / report.header.profile)
    junit.write(reports, out / "junit.xml")
    print(f"\nreports: {out}")  # noqa: T201 - where to look
