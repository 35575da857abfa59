"""What an enrichment is: built once from its configuration file, then applied to one event after another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from backbone.event import Event
from backbone.selfdescribing import SchemaKey, SelfDescribing


@dataclass(frozen=True, slots=True)
class SimpleMessage:
    """An enrichment could not work."""

    error: str


@dataclass(frozen=True, slots=True)
class InputMessage:
    """A field of the event is not what the step needs; `value` is as the event holds it."""

    field: str
    value: str | None
    expectation: str


@dataclass(frozen=True, slots=True)
class EnrichmentFailure:
    """One message of an `enrichment_failures` bad row; built-in steps have neither key nor identifier."""

    message: SimpleMessage | InputMessage
    schema_key: SchemaKey | None = None
    identifier: str | None = None


@dataclass(slots=True)
class Working:
    """One event on its way through the enrichments."""

    event: Event
    """Fields set so far; enrichments assign to it. `event.derived_contexts` stays empty until the end."""
    parameters: Mapping[str, str | None]
    """Tracker parameters after the adapter; a value-less one is None."""
    headers: Sequence[str]
    """`Name: value` lines of the request."""
    page_query: Sequence[tuple[str, str]] = ()
    """Decoded pairs of the page URL's query, value-less ones with an empty value."""
    entities: list[SelfDescribing] = field(default_factory=list)
    """Derived entities so far, newest block first."""
    failures: list[EnrichmentFailure] = field(default_factory=list)
    """Newest first."""


class Enrichment(Protocol):
    """`enricher/enrichments/<name>.py` each holds one class of this form."""

    schema_key: SchemaKey
    """Key of the configuration it was built from."""

    def enrich(self, working: Working) -> None:
        """Sets fields, puts entities before `working.entities`, failures before `working.failures`. Never raises."""
