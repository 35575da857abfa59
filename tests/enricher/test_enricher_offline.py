"""`snowmelt enrich --from`: the same enricher on a file; and what the settings may say."""

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from backbone import settings
from backbone.errors import ConfigurationError
from backbone.event import COLUMNS
from backbone.settings import Settings
from enricher import offline
from enricher.assembly import assembled
from enricher.settings import EnricherSettings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    return settings.load(None, {"enricher": EnricherSettings}, environment={}, flags={"iglu.schemas": [str(ROOT / "schemas")]})


@pytest.fixture
def source(tmp_path: Path, rig: Any) -> Path:
    lines = [base64.b64encode(rig.record()), b"not base64!", b"", base64.b64encode(rig.record("e=foo")) + b"\r"]
    (tmp_path / "payloads").write_bytes(b"\n".join(lines) + b"\n")
    return tmp_path / "payloads"


def test_every_line_is_traced_and_good_failed_and_bad_are_kept_apart(configured: Settings, source: Path, tmp_path: Path) -> None:
    good, failed, bad, trace = (tmp_path / name for name in ("good", "failed", "bad", "trace"))
    assert offline.run(configured, str(source), good, failed, bad, trace) == 0
    traced = [json.loads(line) for line in trace.read_text("utf-8").splitlines()]
    assert [line["line"] for line in traced] == [1, 2, 3, 4]
    assert [(len(line["good"]), len(line["failed"]), len(line["bad"])) for line in traced] == [
        (1, 0, 0),
        (0, 0, 1),
        (0, 0, 1),
        (0, 1, 1),
    ]
    assert good.read_text().rstrip("\n") == traced[0]["good"][0]
    assert len(traced[0]["good"][0].split("\t")) == len(COLUMNS)
    assert failed.read_text().count("\n") == 1
    assert [json.loads(line) for line in bad.read_text().splitlines()] == [row for line in traced for row in line["bad"]]


def test_a_line_that_is_no_base64_keeps_its_bytes(configured: Settings, source: Path, tmp_path: Path) -> None:
    offline.run(configured, str(source), bad=tmp_path / "bad")
    row = json.loads((tmp_path / "bad").read_text().splitlines()[0])
    assert base64.b64decode(row["data"]["payload"]) == b"not base64!"


def test_standard_input_can_be_read(configured: Settings, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(source.read_bytes())))
    assert offline.run(configured, "-", good=tmp_path / "good") == 0
    assert (tmp_path / "good").read_text().count("\n") == 1


def test_files_that_cannot_be_opened_are_a_fault_of_configuration(configured: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing-here"):
        offline.run(configured, str(tmp_path / "nothing-here"))


def test_schemas_and_enrichments_can_be_given(configured: Settings, registry: Path, tmp_path: Path, rig: Any) -> None:
    entity = rig.contexts({"schema": "iglu:com.acme/user/jsonschema/1-0-0", "data": {"id": "u"}})
    body = json.dumps(
        {
            "schema": "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4",
            "data": [{"e": "pv", "p": "web", "tv": "t", "co": entity, "ip": "1.2.3.4"}],
        }
    )
    record = rig.record(None, path="/com.snowplowanalytics.snowplow/tp2", body=body, content_type="application/json")
    (tmp_path / "in").write_bytes(base64.b64encode(record))
    folder = tmp_path / "chosen"
    folder.mkdir()
    vendor = "com.snowplowanalytics.snowplow"
    data = {"vendor": vendor, "name": "anon_ip", "enabled": True, "parameters": {"anonOctets": 2}}
    (folder / "anon.json").write_text(json.dumps({"schema": f"iglu:{vendor}/anon_ip/jsonschema/1-0-0", "data": data}))
    offline.run(configured, str(tmp_path / "in"), good=tmp_path / "good", schemas=[registry], enrichments=folder)
    assert "1.2.x.x" in (tmp_path / "good").read_text()


def test_the_default_folder_of_enrichments_may_be_missing_a_named_one_not(configured: Settings, tmp_path: Path) -> None:
    with assembled(configured):
        pass
    with pytest.raises(ConfigurationError), assembled(configured, enrichments=tmp_path / "missing"):
        pass


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        ({"enricher.field_limits": {"nope": 5}}, "nope"),
        ({"enricher.field_limits": {"app_id": 0}}, "greater than or equal to 1"),
        ({"enricher.max_json_depth": 1000}, "less than or equal to 190"),
        ({"enricher.whatever": 1}, "unknown key"),
    ],
)
def test_settings_that_make_no_sense_are_refused(flags: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        settings.load(None, {"enricher": EnricherSettings}, environment={}, flags=flags)
