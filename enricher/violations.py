"""Why an event, or a part of it, breaks its schema: each reason knows its form in the bad row and as a `failure` entity.

`source` says where it was found: `unstruct`, `contexts`, `derived_contexts` or `atomic_field`. Forms: bad rows
`schema_violations` 2-0-1 and `tracker_protocol_violations` 1-0-1; entity `failure` 1-0-0.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from backbone.iglu.failures import IgluFailure
from backbone.selfdescribing import Criterion, SchemaKey, parse_key

ATOMIC = parse_key("iglu:com.snowplowanalytics.snowplow/atomic/jsonschema/1-0-0")
PARSE_ERROR, LENGTH_EXCEEDED = "atomic_field_parse_error", "atomic_field_length_exceeded"

_IGLU_CODES = {
    "INVALID_IGLUURI": "Invalid Iglu URI",
    "INVALID_SCHEMAVER": "Invalid schema version",
    "INVALID_DATA_PAYLOAD": "Invalid data payload",
    "INVALID_SCHEMA": "Invalid schema",
    "INVALID_METASCHEMA": "Invalid metaschema",
}


class Violation(Protocol):
    def message(self) -> dict[str, Any]:
        """Its form in `failure.messages` of a bad row."""

    def entity(self) -> dict[str, Any]:
        """`failureType`, `errors`, `schema` and `data` of its `failure` entity."""


def _entity(kind: str, errors: Sequence[dict[str, Any]], schema: SchemaKey | None, data: Any) -> dict[str, Any]:
    return {"failureType": kind, "errors": list(errors), "schema": None if schema is None else schema.uri, "data": data}


class NotJson(NamedTuple):
    """`field` is the source, or for a request the part of it: `body`, `co|cx`."""

    field: str
    value: str | None
    problem: str

    def message(self) -> dict[str, Any]:
        return {"field": self.field, "value": self.value, "error": f"invalid json: {self.problem}"}

    def entity(self) -> dict[str, Any]:
        error = {"message": f"invalid json: {self.problem}", "source": self.field}
        return _entity("NotJSON", [error], None, {self.field: self.value})


class NotIglu(NamedTuple):
    """`code` as in `backbone.selfdescribing.InvalidIglu`."""

    source: str
    json: Any
    code: str

    def message(self) -> dict[str, Any]:
        return {"json": self.json, "error": self.code}

    def entity(self) -> dict[str, Any]:
        error = {"message": _IGLU_CODES.get(self.code, self.code), "source": self.source}
        return _entity("NotIglu", [error], None, self.json)


class CriterionMismatch(NamedTuple):
    source: str
    key: SchemaKey
    criterion: Criterion
    data: Any

    def message(self) -> dict[str, Any]:
        return {"schemaKey": self.key.uri, "schemaCriterion": str(self.criterion)}

    def entity(self) -> dict[str, Any]:
        error = {
            "message": f"Unexpected schema: {self.key} does not match the criterion",
            "source": self.source,
            "criterion": str(self.criterion),
        }
        return _entity("CriterionMismatch", [error], self.key, self.data)


class BrokenSchema(NamedTuple):
    """The schema could not be had, is itself invalid, or refuses the data."""

    source: str
    key: SchemaKey
    failure: IgluFailure
    data: Any

    def message(self) -> dict[str, Any]:
        return {"schemaKey": self.key.uri, "error": self.failure.value()}

    def entity(self) -> dict[str, Any]:
        found = self.failure.value()
        if found["error"] == "ResolutionError":
            message = f"Resolution error: schema {self.key} not found"
            error = {"message": message, "source": self.source, "lookupHistory": found["lookupHistory"]}
            return _entity("ResolutionError", [error], self.key, self.data)
        errors = [{**report, "source": self.source} for report in found.get("dataReports", ())]
        for issue in found.get("schemaIssues", ()):
            message = f"Invalid schema: {self.key} - {issue['message']}"
            errors.append({"message": message, "source": self.source, "path": issue["path"]})
        return _entity("ValidationError", errors, self.key, self.data)


class AtomicError(NamedTuple):
    """`name` is the tracker parameter of a parse error, the column of one that is too long."""

    name: str
    value: str | None
    problem: str
    keyword: str

    def report(self) -> dict[str, Any]:
        return {"message": self.problem, "path": self.name, "keyword": self.keyword, "targets": []}


class AtomicViolation(NamedTuple):
    errors: tuple[AtomicError, ...]

    def message(self) -> dict[str, Any]:
        reports = [error.report() for error in self.errors]
        return {"schemaKey": ATOMIC.uri, "error": {"error": "ValidationError", "dataReports": reports}}

    def entity(self) -> dict[str, Any]:
        errors = [{**error.report(), "source": "atomic_field"} for error in self.errors]
        return _entity("ValidationError", errors, ATOMIC, {error.name: error.value for error in self.errors})
