"""Records no larger than the bus takes: a request that would be is split between its events, or becomes a bad row.

The order of the checks, their numbers and texts are those of Snowplow's collector (`SplitBatch`); ours keeps the order of events.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

from backbone import badrow, jsontext, selfdescribing, thrift
from backbone.bus.protocol import Stream
from backbone.payload import CollectorPayload
from collector.settings import LimitSettings

_TEXT_FIELDS = (
    ("userAgent", "user_agent"),
    ("refererUri", "referer_uri"),
    ("path", "path"),
    ("querystring", "querystring"),
    ("body", "body"),
)
_LAST_FIELDS = (("contentType", "content_type"), ("hostname", "hostname"), ("networkUserId", "network_user_id"))
_LONGEST_EXPECTATION = 256
_STILL_TOO_LARGE = "this POST request split is still too large"

Records = list[tuple[Stream, bytes]]


class SizeLimits:
    """Turns payloads into records."""

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._maker = badrow.processor("snowmelt-collector")

    def records(self, payload: CollectorPayload) -> Records:
        """One raw record, or several, and a bad row for whatever is too large."""
        data = thrift.encode(payload)
        if len(data) < self._limits.record_bytes:
            return [("raw", data)]
        return self._split(payload, len(data))

    def body_too_long(self, payload: CollectorPayload, length: int) -> Records:
        """For a body that was not read to its end; `length` is how much of it is known of, in bytes."""
        limit = self._limits.body_bytes
        return [self._violation(payload, limit, length, f"Payload exceeds max size of {limit}. Actual length: {length}")]

    def _split(self, payload: CollectorPayload, size: int) -> Records:
        maximum, largest = self._limits.record_bytes, self._limits.payload_bytes
        if size > largest:
            problem = f"Payload exceeds max size of {largest}. Actual length: {size}"
            return [self._violation(payload, largest, size, problem)]
        if payload.body is None:
            return [self._violation(payload, maximum, size, "GET requests cannot be split")]
        try:
            value, exact = jsontext.loads(payload.body)
        except jsontext.JsonError as error:
            problem = f"cannot split POST requests which are not json {error}"
            return [self._violation(payload, maximum, size, problem)]
        try:
            schema, events = value["schema"], selfdescribing.from_value(value).data
        except (selfdescribing.InvalidIglu, TypeError, KeyError) as error:
            problem = f"cannot split POST requests which are not self-describing {error}"
            return [self._violation(payload, maximum, size, problem)]
        if type(events) is not list:
            problem = "cannot split POST requests which do not contain a data array"
            return [self._violation(payload, maximum, size, problem)]
        return self._batches(payload, size, schema, [jsontext.dumps(event, exact) for event in events])

    def _batches(self, payload: CollectorPayload, size: int, schema: str, events: list[str]) -> Records:
        maximum = self._limits.record_bytes
        sizes = [len(event.encode()) for event in events]
        data_size = sum(sizes) + max(1, len(sizes)) + 1
        if size - data_size >= maximum:
            problem = 'cannot split this POST request because event without "data" field is still too big'
            return [self._violation(payload, maximum, size, problem)]
        groups, rejected = pack(sizes, maximum - size + data_size)
        head = f'{{"schema":{jsontext.dumps(schema)},"data":['
        records: Records = [
            ("raw", thrift.encode(replace(payload, body=head + ",".join([events[index] for index in group]) + "]}")))
            for group in groups
        ]
        records.extend(self._violation(payload, maximum, sizes[index], _STILL_TOO_LARGE) for index in rejected)
        return records

    def _violation(self, payload: CollectorPayload, limit: int, actual: int, problem: str) -> tuple[Stream, bytes]:
        now = time.time_ns()
        timestamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now // 10**6 % 1000:03d}Z"
        expectation = f"oversized collector payload: {problem}"[:_LONGEST_EXPECTATION]
        excerpt = described(payload, limit // 10)
        return "bad", badrow.size_violation(self._maker, timestamp, limit, actual, expectation, excerpt)


def pack(sizes: Sequence[int], budget: int, join: int = 1) -> tuple[list[list[int]], list[int]]:
    """Indexes in groups that cost no more than `budget`, each item its size and `join`; and those that fit no group."""
    groups: list[list[int]] = []
    rejected: list[int] = []
    room = 0
    for index, size in enumerate(sizes):
        cost = size + join
        if cost > budget:
            rejected.append(index)
        elif groups and cost <= room:
            groups[-1].append(index)
            room -= cost
        else:
            groups.append([index])
            room = budget - cost
    return groups, rejected


def described(payload: CollectorPayload, length: int) -> str:
    """The first `length` characters of the payload as Thrift's Java classes print it."""
    parts = [
        f"schema:{payload.schema}",
        f"ipAddress:{payload.ip_address}",
        f"timestamp:{payload.timestamp}",
        f"encoding:{payload.encoding}",
        f"collector:{payload.collector}",
        *(f"{label}:{text[:length]}" for label, name in _TEXT_FIELDS if (text := getattr(payload, name)) is not None),
        f"headers:[{', '.join(payload.headers)}]",
        *(f"{label}:{text}" for label, name in _LAST_FIELDS if (text := getattr(payload, name)) is not None),
    ]
    return f"CollectorPayload({', '.join(parts)})"[:length]
