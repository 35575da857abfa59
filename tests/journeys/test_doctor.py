"""`snowmelt doctor` on one machine. On Google Cloud: test_image.py, and tests/snowmelt/test_doctor_*.py."""

import json
import os
import signal

import pytest
from pipeline import Pipeline, free_port

pytestmark = pytest.mark.journey


def test_a_marked_event_is_followed_to_its_row(pipeline: Pipeline) -> None:
    said = pipeline.run("doctor", "--target", "local", "--collector-url", pipeline.url).stdout
    assert "All is well" in said
    assert "✗" not in said
    for stage in ("accepted by the collector", "on raw", "on enriched", "row visible"):
        assert f"✓ {stage}: " in said
    rows = pipeline.sql("select app_id, event_name from events")
    assert rows == [{"app_id": "snowmelt-doctor", "event_name": "page_view"}]


def test_who_does_not_go_on_is_told(pipeline: Pipeline) -> None:
    loader = pipeline.pid_of("loader")
    os.kill(loader, signal.SIGSTOP)
    try:
        done = pipeline.run("doctor", "--collector-url", pipeline.url, "--wait", "1.5", "--json", expect=1)
    finally:
        os.kill(loader, signal.SIGCONT)
    (lost,) = [check for check in json.loads(done.stdout)["checks"] if check["outcome"] == "wrong"]
    assert lost["what"] == "row visible"
    assert "does the loader run?" in lost["remedy"]


def test_a_collector_that_is_not_there_is_told(pipeline: Pipeline) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    said = pipeline.run("doctor", "--collector-url", nowhere, expect=1).stdout
    assert f"✗ {nowhere}/health: no answer: ConnectionRefusedError" in said
    assert "✗ accepted by the collector" in said
    assert said.count("→") >= 3


def test_another_target_than_the_configurations_is_told(pipeline: Pipeline) -> None:
    done = pipeline.run("doctor", "--target", "gcp", "--collector-url", pipeline.url, "--json", expect=1)
    wrong = [check["what"] for check in json.loads(done.stdout)["checks"] if check["outcome"] == "wrong"]
    assert wrong == ["bus.kind is pubsub", "warehouse.kind is bigquery"]
