"""Values of every recorded cast (SNOWMELT_GOLDEN) are what Snowplow's loader made of them, or the errors."""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backbone import jsontext
from backbone.iglu.registries import FolderRegistry, Place
from backbone.iglu.resolver import Resolver
from backbone.selfdescribing import SelfDescribing, parse_key, parse_version
from loader import batch
from loader.enriched import EnrichedEvent
from loader.rows import cast_event
from loader.scalar_casts import Encoding
from loader.warehouses.protocol import Batch, Leaf

GOLDEN = Path(os.environ.get("SNOWMELT_GOLDEN", "../shared/data/golden")) / "reference" / "columns" / "cast.jsonl.gz"
CENTRAL = Path(os.environ.get("SNOWMELT_IGLU_CENTRAL", "../shared/data/iglu-central")) / "schemas"

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not GOLDEN.exists(), reason=f"{GOLDEN} is not here"),
    pytest.mark.skipif(not CENTRAL.exists(), reason=f"{CENTRAL} is not here"),
]

_DIGITS = "more digits than the column's type has: stored with luck there, or failing at the write; an error here"
_ALONE = "a version that cannot be found fails alone, not its whole family in the batch"
DEVIATIONS = {
    "cast:numbers_dec9_2": ((26, 27), _DIGITS),
    "cast:numbers_dec18_10": ((26, 27, 28), _DIGITS),
    "cast:numbers_dec38_20": ((28,), _DIGITS),
    "seqcast:gap_addition:event:batch": ((0,), _ALONE),
    "seqcast:gap_rev:entity:batch": ((0,), _ALONE),
    "seqcast:rev_no_zero:event:batch": ((0,), _ALONE),
    "seqcast:rev_no_zero:entity:batch": ((0,), _ALONE),
}
"""Case → the data in it where ours is meant to differ, and why."""


class Target:
    """A warehouse without tables, taking values in the forms of the recording."""

    encoding = Encoding(lambda micros: micros - micros % 1000, lambda days: days, lambda number: format(number, "f"))

    def columns(self) -> dict[str, Any]:
        return {}

    def shape(self, kind: Any) -> Leaf:
        return Leaf("any")


def registry(case: Any, folder: Path) -> Resolver:
    for schema in case.get("schemas", ()):
        about = schema["self"]
        file = folder / about["vendor"] / about["name"] / "jsonschema" / about["version"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(jsontext.dumps(schema, exact=False), "utf-8")
    return Resolver([FolderRegistry(Place("golden"), folder if "schemas" in case else CENTRAL)])


def uri_of(case: Any, text: str | None) -> str:
    if text is not None and text.startswith("iglu:"):
        return text
    if "schemas" in case:
        newest = max((schema["self"] for schema in case["schemas"]), key=lambda about: parse_version(about["version"]))
        family, newest_version = f"iglu:{newest['vendor']}/{newest['name']}/jsonschema", newest["version"]
    else:
        family, newest_version = case["family"], case["uris"][-1].rsplit("/", 1)[1]
    return f"{case.get('family', family)}/{text or newest_version}"


def event_of(case: Any, item: Any) -> EnrichedEvent:
    event = EnrichedEvent("", {})
    if "entities" in item or "derived" in item:
        entries = [*item.get("entities", ()), *item.get("derived", ())]
        uris = [entry.get("schema") or uri_of(case, entry.get("version")) for entry in entries]
        event.entities = [SelfDescribing(parse_key(uri), entry["data"]) for uri, entry in zip(uris, entries, strict=True)]
        return event
    datum = SelfDescribing(parse_key(uri_of(case, item.get("version"))), item["data"])
    if case["kind"] == "event":
        event.event = datum
    else:
        event.entities = [datum]
    return event


def normal(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [normal(item) for item in value]
    if isinstance(value, float):
        return repr(float(value))
    return repr(float(value)) if type(value) is int and abs(value) < 2**53 else value


def text(value: Any) -> str:
    return json.dumps(normal(value), sort_keys=True)


def outcomes(case: Any, folder: Path) -> Iterator[tuple[int, dict[str, Any], list[Any]]]:
    events = [event_of(case, item) for item in case["data"]]
    groups = [[at] for at in range(len(events))] if case.get("separate") else [list(range(len(events)))]
    resolver = registry(case, folder)
    for group in groups:
        made = batch.Batches(resolver, Target())  # type: ignore[arg-type]
        ways: Any = {}
        made.extend(ways, [events[at] for at in group], {}, Batch(""))
        for at in group:
            row, failures = cast_event(events[at], ways)
            yield at, row, failures


def agrees(expected: Any, row: Any, failures: list[Any]) -> bool:
    if "errors" not in expected and "row" not in expected:
        return bool(failures)  # the original threw: any error will do, a row would be wrong
    if "errors" in expected:
        wanted, found = ([error for error in errors if "expected" in error] for errors in (expected["errors"], failures))
        whole = len(wanted) < len(expected["errors"]), len(found) < len(failures)
        return sorted(map(text, wanted)) == sorted(map(text, found)) and whole[0] == whole[1]
    if expected.get("write") != "ok" and failures:
        return True  # it passed the original's cast and was refused at the write
    return not failures and text(row) == text({name: value for name, value in expected["row"].items() if value is not None})


def test_every_recorded_value_casts_as_recorded(tmp_path: Path) -> None:
    differing = []
    count = 0
    with gzip.open(GOLDEN) as lines:
        for number, line in enumerate(lines):
            case, _ = jsontext.loads(line)
            for at, row, failures in outcomes(case, tmp_path / str(number)):
                count += 1
                meant = at in DEVIATIONS.get(case["id"], ((), ""))[0]
                if agrees(case["expected"][at], row, failures) is meant:
                    differing.append(f"{case['id']} {at}")
    assert count
    assert differing == []
