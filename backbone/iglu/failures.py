"""Why a datum could not be validated, or is invalid: values, in the form bad rows carry them.

JSON forms: spec of Snowplow's bad rows, `ResolutionError` with its `lookupHistory`, `ValidationError` with `dataReports` or
`schemaIssues`, both with an optional `supersededBy`.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

MAX_ERRORS = 32
"""Distinct errors remembered for each registry."""


class RegistryError(NamedTuple):
    """One way in which a registry could not give a schema."""

    kind: Literal["NotFound", "RepoFailure", "ClientFailure"]
    message: str | None = None
    transient: bool = False
    """True when asking again later may succeed: the datum must wait rather than fail."""

    def value(self) -> dict[str, str]:
        return {"error": self.kind} if self.message is None else {"error": self.kind, "message": self.message}


NOT_FOUND = RegistryError("NotFound")


class RegistryAttempts(NamedTuple):
    """What asking one registry brought so far; `last_attempt` is ISO 8601, UTC."""

    repository: str
    errors: tuple[RegistryError, ...]
    attempts: int
    last_attempt: str

    def value(self) -> dict[str, Any]:
        return {
            "repository": self.repository,
            "errors": [error.value() for error in self.errors],
            "attempts": self.attempts,
            "lastAttempt": self.last_attempt,
        }


@dataclass(frozen=True, slots=True)
class ResolutionError:
    """No registry gave the schema; `lookup_history` is sorted by registry."""

    lookup_history: tuple[RegistryAttempts, ...]

    @property
    def transient(self) -> bool:
        """Whether a registry might still have the schema, but did not answer."""
        return any(attempts.errors[-1].transient for attempts in self.lookup_history if attempts.errors)

    def value(self) -> dict[str, Any]:
        return {"error": "ResolutionError", "lookupHistory": [attempts.value() for attempts in self.lookup_history]}

    def __str__(self) -> str:
        return "; ".join(
            f"{attempts.repository}: {', '.join(error.message or error.kind for error in attempts.errors)}"
            for attempts in self.lookup_history
        )


ResolutionFailure: TypeAlias = ResolutionError
"""What `Resolver.lookup` answers instead of a schema."""


class Report(NamedTuple):
    """One fault of a datum at `path` (`$.a.b[0]`); for `required` and `additionalProperties` the path of the object."""

    message: str
    path: str
    keyword: str | None
    targets: tuple[str, ...]

    def value(self) -> dict[str, Any]:
        return {"message": self.message, "path": self.path, "keyword": self.keyword, "targets": list(self.targets)}


class Issue(NamedTuple):
    """One fault of a schema; `path` is a path within the schema."""

    path: str
    message: str

    def value(self) -> dict[str, str]:
        return {"path": self.path, "message": self.message}


@dataclass(frozen=True, slots=True)
class ValidationError:
    """The datum breaks its schema (`data_reports`), or the schema itself is invalid (`schema_issues`)."""

    data_reports: tuple[Report, ...] = ()
    schema_issues: tuple[Issue, ...] = ()
    superseded_by: str | None = None

    def value(self) -> dict[str, Any]:
        value: dict[str, Any] = {"error": "ValidationError"}
        if self.schema_issues:
            value["schemaIssues"] = [issue.value() for issue in self.schema_issues]
        else:
            value["dataReports"] = [report.value() for report in self.data_reports]
        if self.superseded_by is not None:
            value["supersededBy"] = self.superseded_by
        return value

    def __str__(self) -> str:
        messages = [issue.message for issue in self.schema_issues] + [report.message for report in self.data_reports]
        return "; ".join(messages)


IgluFailure: TypeAlias = ResolutionError | ValidationError
