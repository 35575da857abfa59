"""One pipeline for all journeys of a file: starting it takes seconds, and journeys do not disturb each other."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline import ROOT, Pipeline
from snowplow_analytics_sdk.event_transformer import transform

TRACKERS = ROOT / "tests/journeys/node_modules/@snowplow"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Running, with the schemas of `com.journey`; at its end every enriched line must be readable to an independent reader."""
    running = Pipeline(tmp_path_factory.mktemp("journey"))
    running.add_schema("com.journey", "gadget_used", "1-0-0", GADGET_USED)
    running.add_schema("com.journey", "user", "1-0-0", USER)
    try:
        running.start()
        yield running
        for line in running.tail("enriched", "tsv"):
            assert transform(line)["event_id"]
        assert running.stop() == 0
    finally:
        running.close()


@pytest.fixture(scope="session")
def javascript_trackers() -> Path:
    """Folder of the npm packages."""
    if not shutil.which("node"):
        pytest.skip("node is not installed")
    if not TRACKERS.is_dir():
        pytest.skip("the JavaScript trackers are not installed (make test does so where npm exists)")
    return TRACKERS


GADGET_USED = {
    "description": "Somebody used a gadget",
    "type": "object",
    "properties": {
        "gadget": {"type": "string", "maxLength": 50, "description": "Which"},
        "rpm": {"type": "integer", "minimum": 0, "maximum": 100000, "description": "Speed"},
        "tags": {"type": "array", "items": {"type": "string", "maxLength": 50}, "description": "Labels"},
        "weight": {"type": "number", "minimum": 0, "maximum": 1000, "description": "Kilograms"},
    },
    "required": ["gadget"],
    "additionalProperties": False,
}
USER = {
    "description": "Who",
    "type": "object",
    "properties": {
        "plan": {"type": "string", "enum": ["gold", "iron"], "description": "Subscription"},
        "since": {"type": ["string", "null"], "format": "date-time", "description": "Subscribed at"},
    },
    "required": ["plan"],
    "additionalProperties": False,
}
