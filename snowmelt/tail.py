"""`snowmelt tail`: what travels on the bus, one message a line. Reads without a name, so it holds nothing back."""

import base64
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snowmelt.options import Config, Data
from snowmelt.output import printing

if TYPE_CHECKING:
    from backbone.bus import Bus, Stream, Subscription

_BATCH = 500
_BATCH_BYTES = 20_000_000
_PAUSE = 0.5
"""Seconds one pull waits when following; new messages cut it short."""


class StreamName(StrEnum):
    raw = "raw"
    enriched = "enriched"
    failed = "failed"
    bad = "bad"


class Form(StrEnum):
    json = "json"
    base64 = "base64"
    tsv = "tsv"


class Begin(StrEnum):
    start = "start"
    end = "end"


def command(
    stream: Annotated[StreamName, typer.Argument(help="Which stream to print.")],
    form: Annotated[
        Form,
        typer.Option("--format", help="json: decoded; base64: the stored bytes; tsv: the stored text (enriched and failed)."),
    ] = Form.json,
    begin: Annotated[
        Begin, typer.Option("--from", help="start: all that is still stored; end: only what comes from now on.")
    ] = Begin.start,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep waiting for more; Ctrl-C ends it.")] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Print what is on the bus, one message a line."""
    from backbone.bus import open_bus
    from snowmelt import configuration

    if form is Form.tsv and stream not in (StreamName.enriched, StreamName.failed):
        raise typer.BadParameter(f"{stream.value} messages are no TSV; use json or base64", param_hint="--format")
    bus = open_bus(configuration.read(config, data))
    subscription = _subscribe(bus, stream.value, begin)
    printer = _printer(stream, form)
    with closing(subscription), printing():
        while True:
            records = subscription.pull(_BATCH, _BATCH_BYTES, _PAUSE if follow else 0)
            sys.stdout.writelines(printer(record.data) + "\n" for record in records)
            sys.stdout.flush()
            if not records and not follow:
                break


def _subscribe(bus: "Bus", stream: "Stream", begin: Begin) -> "Subscription":
    subscription = bus.subscribe(None, [stream])
    if begin is Begin.end:
        while subscription.pull(_BATCH, _BATCH_BYTES, 0):
            pass
    return subscription


def _printer(stream: StreamName, form: Form) -> Callable[[bytes], str]:
    if form is Form.base64:
        return lambda data: base64.b64encode(data).decode("ascii")
    if form is Form.tsv:
        return _one_line
    if stream is StreamName.raw:
        return lambda data: "\n".join(map(_json, payloads(data)))
    if stream is StreamName.bad:
        return _one_line
    return lambda data: _json(event_fields(data))


def _one_line(data: bytes) -> str:
    """Neither a TSV line nor a bad row holds a line end; text that came from elsewhere might."""
    return data.decode("utf-8", "replace").replace("\r", " ").replace("\n", " ")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def payloads(data: bytes) -> Iterator[dict[str, Any]]:
    """The fields of each payload in a raw message: several where it is compressed."""
    from enricher import framing

    for part in framing.records(data, framing.Limits(10_000_000, 200_000_000)):
        if isinstance(part, bytes):
            yield payload_fields(part)
        elif isinstance(part, framing.TooLarge):
            yield {"unreadable": "", "reason": f"a payload of {part.size} bytes"}
        else:
            yield {"unreadable": base64.b64encode(data).decode("ascii"), "reason": part.problem}


def payload_fields(data: bytes) -> dict[str, Any]:
    """The fields of a raw message that are set; one that is no Thrift struct becomes `{"unreadable": base64}`."""
    from backbone import thrift

    try:
        payload = thrift.decode(data)
    except thrift.ThriftError as problem:
        return {"unreadable": base64.b64encode(data).decode("ascii"), "reason": str(problem)}
    return {name: value for name, value in asdict(payload).items() if value is not None}


def event_fields(data: bytes) -> dict[str, Any]:
    """The columns of an enriched line that are set, by name; the three JSON columns parsed."""
    from backbone.event import COLUMNS, JSON_COLUMNS

    cells = data.decode("utf-8", "replace").split("\t")
    if len(cells) != len(COLUMNS):
        return {"unreadable": data.decode("utf-8", "replace"), "reason": f"{len(cells)} columns, not {len(COLUMNS)}"}
    fields: dict[str, Any] = {name: cell for name, cell in zip(COLUMNS, cells, strict=True) if cell}
    for name in JSON_COLUMNS:
        if name in fields:
            fields[name] = json.loads(fields[name])
    return fields
