"""A report as a signed in-toto statement: predicate test-result v0.1, in a DSSE envelope, signed with ed25519.

Needs securesystemslib with cryptography (``pip install plugfest[sign]``); nothing is asked of any network.
"""

from __future__ import annotations

import json
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


def statement(report: Report, folder: Path) -> dict[str, Any]:
    """The in-toto statement of a report: its file and its manifest are the subjects, the tests are its outcomes."""
    header = report.header
    configuration = {
        "name": f"{header.suite} {header.version}",
        "digest": {"sha256": header.catalogue},
        "annotations": {"profile": header.profile, "command": header.command, "variant": header.variant},
    }
    code = report_code(report)
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": sha256((folder / name).read_bytes())}} for name in SUBJECTS],
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


def sign(report: Report, folder: Path, key: Path) -> Path:
    """Sign the statement of the report in `folder` with the private key of a PEM file (PKCS 8, not encrypted).

    Raises UsageError where the key cannot be used.
    """
    serialization = _cryptography()
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner

    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
        signer = CryptoSigner(private)
    except (OSError, ValueError, TypeError) as problem:
        raise UsageError(f"--key {key.name}: not a private ed25519 key in PEM: {problem}") from None
    envelope = Envelope(json.dumps(statement(report, folder), sort_keys=True).encode(), PAYLOAD, {})
    envelope.sign(signer)
    path = folder / NAME
    write_atomically(path, as_json(envelope.to_dict()))
    return path


def signature_problems(folder: Path, key: Path) -> list[str]:
    """What is wrong with the signed statement in `folder`, by the public key of a PEM file; empty: nothing.

    Raises UsageError where there is no statement or the key cannot be used.
    """
    public = _public(key)
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError

    try:
        envelope = Envelope.from_dict(json.loads(files.content(folder / NAME, folder, files.DOCUMENT)))
    except FileNotFoundError:
        raise UsageError(f"{folder.name}/{NAME}: there is no such file; `plugfest sign` writes it") from None
    except Exception as problem:
        return [f"{NAME}: is no signed statement: {problem!r:.100}"]
    try:
        envelope.verify([public], 1)
        said = json.loads(envelope.payload)
        if envelope.payload_type != PAYLOAD or said["predicateType"] != PREDICATE:
            return [f"{NAME}: is signed, but says something else than the result of a test"]
        digests = {each["name"]: each["digest"]["sha256"] for each in said["subject"]}
    except VerificationError:
        return [f"{NAME}: was not signed with this key, or was changed since"]
    except (ValueError, KeyError, TypeError) as problem:
        return [f"{NAME}: is signed, but is no statement: {problem!r:.100}"]
    return [
        f"{name}: is not the file that was signed"
        for name in SUBJECTS
        if not (folder / name).is_file() or digests.get(name) != sha256((folder / name).read_bytes())
    ]


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
