"""What every installation has: a collector that answers, registries that answer, on one machine a data folder."""

import http.client
import os
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

from backbone.errors import ConfigurationError
from backbone.iglu import build_resolver
from backbone.selfdescribing import parse_key
from backbone.settings import Settings
from snowmelt.delivery import target
from snowmelt.doctor_check import Check, doubtful, fine, wrong

_ASKED_FOR = parse_key("iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4")
_SPARE = 1_000_000_000


def collector(url: str) -> Iterator[Check]:
    remedies = {
        "/health": "does the collector run, and is the address right?",
        "/sink-health": "the collector runs, but cannot store: see the checks of the bus, and its log",
    }
    for path, remedy in remedies.items():
        what = f"{url}{path}"
        answer = _ask(url, path)
        yield fine("Collector", what) if answer == 200 else wrong("Collector", what, str(answer), remedy)


def _ask(url: str, path: str) -> int | str:
    """HTTP status, or why there is none."""
    place, prefix = target(url)
    kind = http.client.HTTPSConnection if urlsplit(url).scheme == "https" else http.client.HTTPConnection
    connection = kind(place, timeout=5)
    try:
        connection.request("GET", prefix + path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as problem:
        return f"no answer: {type(problem).__name__}"
    finally:
        connection.close()


def registries(settings: Settings) -> Iterator[Check]:
    """Whether each can be asked; one that lacks the schema asked for is fine."""
    try:
        resolver = build_resolver(settings.iglu)
    except ConfigurationError as error:
        for fault in error.faults:
            yield wrong("Schemas", fault.key or fault.file, f"{fault.file}: {fault.problem}", "docs/schemas.md")
        return
    try:
        for registry in resolver.registries:
            answer = registry.get(_ASKED_FOR)
            if isinstance(answer, dict) or not answer.transient:
                yield fine("Schemas", registry.place.name)
            else:
                yield wrong(
                    "Schemas", registry.place.name, answer.message or answer.kind, "events that need its schemas wait meanwhile"
                )
    finally:
        resolver.close()


def data_folder(settings: Settings) -> Iterator[Check]:
    folder = settings.data.folder
    what = f"data folder {folder}"
    if not folder.is_dir():
        yield wrong("This machine", what, "does not exist", "start Snowmelt once, or set data.folder (--data)")
        return
    if not os.access(folder, os.W_OK):
        yield wrong("This machine", what, "cannot be written to", f"give it to the user of the services: chown {folder}")
        return
    yield fine("This machine", what)
    free = shutil.disk_usage(folder).free
    said = f"{free / 1e9:.1f} GB"
    if free < _SPARE:
        yield doubtful("This machine", "room on its disk", said, "make room: without it the collector answers 503")
    else:
        yield fine("This machine", "room on its disk", said)
