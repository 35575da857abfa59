"""From one record of the raw stream to what leaves the enricher: THE steps, in order.

A record holds requests (`framing`), a request is read and checked (`request`), an adapter finds its events (`adapters`), and each
event becomes one `enriched` line, or a `failed` line with its `bad` row. Whatever comes in, something comes out.
"""

import base64
import logging
import traceback
from collections.abc import Mapping
from typing import NamedTuple

from backbone import badrow, tsv
from backbone.badrow import Json, Processor
from backbone.bus.protocol import Stream
from backbone.errors import TransientError
from backbone.event import Event
from backbone.iglu.validator import Validator
from enricher import adapters, atomic, builtin, entities, failures, framing, parameters, request, timestamps
from enricher.adapters.protocol import Rejected
from enricher.enrichments import Enrichments
from enricher.enrichments.protocol import EnrichmentFailure, Working
from enricher.event_ids import EventIds
from enricher.request import Parameters, Request
from enricher.violations import PARSE_ERROR, AtomicError, AtomicViolation, Violation

_log = logging.getLogger("snowmelt.enricher")

Output = tuple[Stream, bytes]
"""A stream and one record for it."""

ARTIFACT = "snowmelt-enricher"


class Limits(NamedTuple):
    """`fields`: column → longest text in UTF-16 units; `record`: bytes of one output; `depth`: levels of JSON."""

    fields: Mapping[str, int]
    record: int
    depth: int
    framing: framing.Limits


class Problems(NamedTuple):
    """What is wrong with one event, by phase."""

    inputs: list[Violation]
    enrichments: list[EnrichmentFailure]
    outputs: list[Violation]

    def any(self) -> bool:
        return bool(self.inputs or self.enrichments or self.outputs)


class Enricher:
    """Stateless between records, but for caches and `found`: events met so far, a payload without any counted as one.

    Each of them is one output on `enriched` or on `bad`.
    """

    def __init__(self, validator: Validator, enrichments: Enrichments, limits: Limits) -> None:
        self._validator = validator
        self._limits = limits
        self._maker: Processor = badrow.processor(ARTIFACT)
        self._version = self._maker.name
        self.found = 0
        chosen = enrichments
        self._before_referrer = [step.enrich for step in (chosen.ua_parser,) if step]
        self._after_referrer = [step.enrich for step in (chosen.referer_parser, chosen.campaign_attribution) if step]
        self._fingerprint = [step.enrich for step in (chosen.event_fingerprint,) if step]
        self._last = [step.enrich for step in (chosen.ip_lookups, chosen.anon_ip, chosen.pii) if step]

    def process(self, message: bytes, clock: int, identity: str = "") -> list[Output]:
        """Everything that comes of one raw record; `clock` in epoch milliseconds, `identity` as `Record` has it.

        Raises TransientError (try again later).
        """
        ids = EventIds(identity)
        if not framing.is_container(message):
            return self._guarded(message, clock, ids)
        outputs: list[Output] = []
        for record in framing.records(message, self._limits.framing):
            if isinstance(record, bytes):
                outputs += self._guarded(record, clock, ids)
            else:
                self.found += 1
                outputs.append(self._unusable(record, message, clock))
        return outputs

    def _guarded(self, record: bytes, clock: int, ids: EventIds) -> list[Output]:
        """No fault of ours may stop the stream: the record becomes a bad row that can be replayed once it is mended."""
        before = self.found
        try:
            return self._requests(record, clock, ids)
        except TransientError:
            raise
        except Exception as fault:
            self.found = before + 1
            _log.error("a payload could not be processed: %s at %s", type(fault).__name__, _place(fault))
            error = f"unexpected {type(fault).__name__} in {self._maker.name}"
            return [self._bad(badrow.generic_error(self._maker, timestamps.iso(clock), [error], _base64(record)), clock)]

    def _unusable(self, record: framing.TooLarge | framing.Corrupt, message: bytes, clock: int) -> Output:
        moment = timestamps.iso(clock)
        if isinstance(record, framing.Corrupt):
            return "bad", badrow.payload_format_violation(self._maker, moment, {"error": record.problem}, _base64(message))
        limit = self._limits.framing.record
        expectation = f"Collector payload will exceed maximum allowed size of {limit} after {record.packing} decompression"
        return "bad", badrow.size_violation(self._maker, moment, limit, record.size, expectation, _base64(message))

    def _requests(self, record: bytes, clock: int, ids: EventIds) -> list[Output]:
        read = request.read(record)
        if not isinstance(read, Request):
            moment = timestamps.iso(clock)
            kept = _base64(record)
            self.found += len(read)
            rows = [badrow.payload_format_violation(self._maker, moment, fault, kept) for fault in read]
            return [self._bad(row, clock) for row in rows]
        events = adapters.adapt(read, self._validator, self._limits.depth)
        if isinstance(events, Rejected):
            self.found += 1
            rejected = read.collector_json()
            row = badrow.request_rejected(
                self._maker, timestamps.iso(clock), events.messages, rejected, adapters.by_tracker(read)
            )
            return [self._bad(row, clock)]
        self.found += len(events)
        outputs: list[Output] = []
        for event in events:
            outputs += self._event(read, event, clock, ids)
        return outputs

    def _event(self, origin: Request, given: Parameters, clock: int, ids: EventIds) -> list[Output]:
        """One event, through all phases; a failure in one does not stop the next."""
        event, inputs = self._set_up(origin, given, clock, ids)
        working = Working(event, given, origin.payload.headers)
        self._enrich(working, origin)
        derived, outputs = entities.validate_derived(working.entities, self._validator, inputs)
        too_long = atomic.check(event.__dict__, self._limits.fields)
        if too_long is not None:
            outputs.append(too_long)
        problems = Problems(inputs.violations, working.failures, outputs)
        derived += inputs.validation_info()
        if not problems.any():
            event.derived_contexts = derived
            return [self._good(event, clock)]
        found: list[Violation | EnrichmentFailure] = [*problems.inputs, *problems.enrichments, *problems.outputs]
        event.derived_contexts = [*failures.entities(found, self._maker, timestamps.iso(clock)), *derived]
        return self._failed(event, problems, origin.event_json(given), clock)

    def _set_up(self, origin: Request, given: Parameters, clock: int, ids: EventIds) -> tuple[Event, entities.Inputs]:
        """Phase 1: defaults, the tracker's parameters, the event's own entities."""
        fields, bad_time = builtin.defaults(origin)
        fields["etl_tstamp"] = timestamps.column(clock)
        fields["v_etl"] = self._version
        wrong = [AtomicError(*error, PARSE_ERROR) for error in parameters.apply(given, fields)]
        if "event_id" not in fields:
            fields["event_id"] = ids.next()
        if bad_time is not None:
            wrong.insert(0, bad_time)
        inputs = entities.unpack(given, self._validator, self._limits.depth)
        if wrong:
            inputs.violations.insert(0, AtomicViolation(tuple(wrong)))
        fields["unstruct_event"], fields["contexts"] = inputs.unstruct, inputs.contexts
        event = Event()
        event.__dict__ = fields
        return event, inputs

    def _enrich(self, working: Working, origin: Request) -> None:
        """Phase 2: the built-in steps and the configured enrichments, in the order Snowplow fixed."""
        builtin.collector_version(working)
        builtin.page_url(working, origin.payload.referer_uri)
        builtin.derived_time(working.event, origin.payload.timestamp, working)
        for step in self._before_referrer:
            step(working)
        builtin.referrer_url(working)
        for step in self._after_referrer:
            step(working)
        builtin.cross_domain(working)
        for step in self._fingerprint:
            step(working)
        builtin.identity(working)
        for step in self._last:
            step(working)

    def _good(self, event: Event, clock: int) -> Output:
        line = tsv.line(event)
        data = line.encode("utf-8", "replace")
        limit = self._limits.record
        if len(data) <= limit:
            return "enriched", data
        expectation = f"Enriched event exceeds the maximum allowed size of {limit} bytes"
        kept = line[: limit // 10]
        return "bad", badrow.size_violation(self._maker, timestamps.iso(clock), limit, len(data), expectation, kept)

    def _failed(self, event: Event, problems: Problems, raw: Json, clock: int) -> list[Output]:
        """The bad row tells only of the first phase that failed; the `failed` line, if it is not too large, of all."""
        if problems.inputs:
            schema, messages = badrow.SCHEMA_VIOLATIONS, [violation.message() for violation in problems.inputs]
        elif problems.enrichments:
            schema, messages = badrow.ENRICHMENT_FAILURES, [failures.message(failure) for failure in problems.enrichments]
        else:
            schema, messages = badrow.SCHEMA_VIOLATIONS, [violation.message() for violation in problems.outputs]
        enriched = failures.enriched_json(event)
        row = badrow.event_failed(schema, self._maker, timestamps.iso(clock), messages, enriched, raw)
        outputs: list[Output] = []
        line = tsv.line(event).encode("utf-8", "replace")
        if len(line) <= self._limits.record:
            outputs.append(("failed", line))
        outputs.append(self._bad(row, clock))
        return outputs

    def _bad(self, row: bytes, clock: int) -> Output:
        limit = self._limits.record
        if len(row) <= limit:
            return "bad", row
        expectation = f"Event failed enrichment and resulting bad row exceeds the maximum allowed size of {limit} bytes"
        kept = row[: limit // 10].decode("utf-8", "ignore")
        return "bad", badrow.size_violation(self._maker, timestamps.iso(clock), limit, len(row), expectation, kept)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _place(fault: Exception) -> str:
    """Where it happened; what it said stays out of the log, as that may quote an event."""
    *_, last = traceback.extract_tb(fault.__traceback__)
    return f"{last.filename}:{last.lineno}"
