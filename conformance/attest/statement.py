"""A report as a signed in-toto statement: predicate test-result v0.1, in a DSSE envelope, signed with ed25519.

Needs securesystemslib with cryptography (``pip install plugfest[sign]``); nothing is asked of any network.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from conformance import files
from conformance.attest.manifest import NAME as MANIFEST
from conformance.attest.manifest import sha256
from conformance.errors import UsageError
from conformance.report.atomic import write_atomically
from conformance.report.gate import report_code
from conformance.report.model import Report, ReportedOutcome, as_json
from conformance.report.render.junit import case_name
from conformance.report.store import NAME as REPORT
from conformance.verdict import Verdict

NAME: Final = "report.intoto.json"
STATEMENT: Final = "https://in-toto.io/Statement/v1"
PREDICATE: Final = "https://in-toto.io/attestation/test-result/v0.1"
PAYLOAD: Final = "application/vnd.in-toto+json"
SUBJECTS: Final = (REPORT, MANIFEST)


def statement(report: Report, folder: Path, expires: str = "") -> dict[str, Any]:
    """The in-toto statement of a report: its file and its manifest are the subjects, the tests are its outcomes.

    `expires` is the last day on which the statement holds, as in ISO 8601; for ever without one.
    """
    header = report.header
    annotations = {"profile": header.profile, "command": header.command, "variant": header.variant}
    configuration = {
        "name": f"{header.suite} {header.version}",
        "digest": {"sha256": header.catalogue},
        "annotations": annotations | ({"expires": expires} if expires else {}),
    }
    code = report_code(report)
    digests = {name: sha256(files.content(folder / name, folder, files.DOCUMENT)) for name in SUBJECTS}
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in digests.items()],
        "predicateType": PREDICATE,
        "predicate": {
            "result": {0: "PASSED", 1: "FAILED", 3: "WARNED"}[code],
            "configuration": [configuration],
            "passedTests": _names(report, lambda each: each.verdict is Verdict.PASS),
            "warnedTests": _names(report, lambda each: each.verdict in (Verdict.INCONCLUSIVE, Verdict.ERROR)),
            "failedTests": _names(report, lambda each: each.verdict is Verdict.FAIL),
        },
    }


def _names(report: Report, wanted: Any) -> list[str]:
    def name(outcome: ReportedOutcome) -> str:
        return case_name(outcome)

    return [name(outcome) for outcome in report.outcomes if wanted(outcome)]


def sign(report: Report, folder: Path, keys: Sequence[Path], expires: str = "") -> Path:
    """Sign the statement of the report in `folder` with the private keys of PEM files (PKCS 8, not encrypted).

    Raises UsageError where a key cannot be used, or `expires` is no day.
    """
    serialization = _cryptography()
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner

    if expires and _day(expires) is None:
        raise UsageError(f"--expires {expires}: write a day such as 2027-12-31")
    said = statement(report, folder, expires)
    envelope = Envelope(json.dumps(said, sort_keys=True).encode(), PAYLOAD, {})
    for key in keys:
        try:
            private = serialization.load_pem_private_key(key.read_bytes(), password=None)
            envelope.sign(CryptoSigner(private))
        except (OSError, ValueError, TypeError) as problem:
            raise UsageError(f"--key {key.name}: not a private ed25519 key in PEM: {problem}") from None
    path = folder / NAME
    write_atomically(path, as_json(envelope.to_dict()))
    return path


@dataclass(frozen=True)
class Signed:
    """What a signed statement is worth: what is wrong with it (empty: nothing), and the ids of the keys that signed."""

    problems: tuple[str, ...]
    keys: tuple[str, ...] = ()


def signature(report: Report, folder: Path, keys: Sequence[Path]) -> Signed:
    """What the signed statement in `folder` says, by the public keys of PEM files: one of them must have signed, and
    every field must be what the report says.

    Raises UsageError where there is no statement or a key cannot be used.
    """
    public = [_public(key) for key in keys]
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError

    try:
        envelope = Envelope.from_dict(json.loads(files.content(folder / NAME, folder, files.DOCUMENT)))
    except FileNotFoundError:
        raise UsageError(f"{folder.name}/{NAME}: there is no such file; `plugfest sign` writes it") from None
    except Exception as problem:
        return Signed((f"{NAME}: is no signed statement: {problem!r:.100}",))
    try:
        signers = envelope.verify(public, 1)
        said = json.loads(envelope.payload)
    except VerificationError:
        return Signed((f"{NAME}: was not signed with this key, or was changed since",))
    except (ValueError, RecursionError) as problem:
        return Signed((f"{NAME}: is signed, but is no statement: {problem!r:.100}",))
    if envelope.payload_type != PAYLOAD or not isinstance(said, dict) or said.get("predicateType") != PREDICATE:
        return Signed((f"{NAME}: is signed, but says something else than the result of a test",))
    return Signed(tuple(_differences(report, folder, said)), tuple(sorted(signers)))


def _differences(report: Report, folder: Path, said: dict[str, Any]) -> Iterator[str]:
    """Where a statement says something else than the report, and whether it has expired."""
    expires = _expiry(said)
    day = _day(expires) if expires else None
    if expires and day is None:
        yield f"{NAME}: expires {expires!r:.40} is no day"
    elif day is not None and day < datetime.datetime.now(datetime.UTC).date():
        yield f"{NAME}: expired on {expires}"
    try:
        wanted = statement(report, folder, expires)
    except FileNotFoundError as problem:
        yield f"{Path(str(problem)).name}: is missing, and was signed"
        return
    digests = {each["name"]: each["digest"] for each in wanted["subject"]}
    subjects = said.get("subject")
    known = [each for each in subjects if isinstance(each, dict)] if isinstance(subjects, list) else []
    for name in SUBJECTS:
        if {"name": name, "digest": digests[name]} not in known:
            yield f"{name}: is not the file that was signed"
    rest = [each for each in known if each.get("name") not in SUBJECTS]
    if rest or not isinstance(subjects, list) or len(subjects) != len(SUBJECTS):
        yield f"{NAME}: subject: signed are {len(subjects) if isinstance(subjects, list) else 'no'} files, not 2"
    predicate = said.get("predicate")
    pairs = [(key, said.get(key), wanted.get(key)) for key in {*said, *wanted} - {"subject", "predicate"}]
    if isinstance(predicate, dict):
        inner = wanted["predicate"]
        pairs += [(f"predicate.{key}", predicate.get(key), inner.get(key)) for key in {*predicate, *inner}]
    else:
        yield f"{NAME}: predicate: says nothing"
    for key, one, other in sorted(pairs, key=lambda pair: pair[0]):
        if one != other:
            yield f"{NAME}: {key}: signed is {_brief(one)}, the report says {_brief(other)}"


def _expiry(said: Mapping[str, Any]) -> str:
    """The day in a statement on which it expires; empty without one."""
    try:
        found = said["predicate"]["configuration"][0]["annotations"]["expires"]
    except (KeyError, IndexError, TypeError):
        return ""
    return found if isinstance(found, str) else repr(found)


def _day(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


def _brief(value: object) -> str:
    """A value in few words: long lists by their length."""
    if isinstance(value, list) and len(value) != 1:
        return f"{len(value)} entries"
    return f"{value!r:.160}"


def _public(key: Path) -> Any:
    serialization = _cryptography()
    from securesystemslib.signer import SSlibKey

    try:
        return SSlibKey.from_crypto(serialization.load_pem_public_key(key.read_bytes()))
    except (OSError, ValueError, TypeError) as problem:
        raise UsageError(f"--key {key.name}: not a public ed25519 key in PEM: {problem}") from None


def _cryptography() -> Any:
    try:
        import securesystemslib.signer  # noqa: F401
        from cryptography.hazmat.primitives import serialization
    except ImportError:
        raise UsageError("--key: signatures need securesystemslib; pip install 'plugfest[sign]'") from None
    return serialization
