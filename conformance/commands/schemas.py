"""The published JSON Schemas, made from the models themselves."""

from __future__ import annotations

import json

from pydantic import BaseModel


def schema_of(what: str) -> str:
    """The JSON Schema of ``profile``, ``testbed``, ``recording``, ``report`` or ``difference``, indented and sorted."""
    from conformance.profile import Profile
    from conformance.recording.events.vocabulary import schema as vocabulary
    from conformance.recording.model import Record
    from conformance.report.difference import Difference
    from conformance.report.model import Report
    from conformance.testbed import Testbed

    models: dict[str, type[BaseModel]] = {
        "profile": Profile,
        "testbed": Testbed,
        "recording": Record,
        "report": Report,
        "difference": Difference,
    }
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **models[what].model_json_schema(by_alias=True),
    }
    if what == "recording":
        rules, definitions = vocabulary("#/$defs/{model}")
        schema["$defs"] = {**schema["$defs"], **definitions}
        schema["$defs"]["EventRow"]["allOf"] = rules
    return json.dumps(schema, indent=2, sort_keys=True)
