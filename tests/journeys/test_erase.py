"""A person asks to be forgotten while everything runs: afterwards not a byte of the data folder tells of them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from pipeline import Pipeline, eventually
from tracker import TP2, call, event, self_describing, send

pytestmark = pytest.mark.journey
WHO = "zz-erase-me-please"
UNKNOWN = "iglu:com.nowhere/thing/jsonschema/1-0-0"


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Pipeline]:
    fresh = Pipeline(tmp_path)
    yield fresh
    fresh.close()


def found(folder: Path, text: str) -> list[str]:
    """Where a text still is: in bytes, or in what is compressed."""
    places = []
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        places += [str(file)] if text.encode() in file.read_bytes() else []
        if file.suffix == ".parquet" and text in repr(duckdb.sql(f"SELECT * FROM read_parquet('{file}')").fetchall()):
            places.append(f"values of {file}")
    return places


def counts(said: str) -> dict[str, list[int]]:
    return {
        name: [int(a.replace(",", "")), int(b.replace(",", ""))]
        for name, a, b in re.findall(r"^(\w+) +([\d,]+) +([\d,]+)$", said, re.MULTILINE)
    }


def test_a_person_is_forgotten_while_everything_runs(stopped: Pipeline) -> None:
    stopped.start()
    mine = send(stopped.url, *(event("pv", uid=WHO) for _ in range(3)), event("pv", uid="anna"))
    broken = {**self_describing(UNKNOWN, {"a": 1}), "uid": WHO}
    others = send(stopped.url, event("pv", uid=f"{WHO}-2"), {**self_describing(UNKNOWN, {"a": 2}), "uid": "bert"}, broken)
    assert call(stopped.url, "POST", TP2, json.dumps({"uid": WHO}).encode(), {"Content-Type": "application/json"})[0] == 200
    stopped.rows([*mine, others[0]])
    eventually(lambda: len(stopped.try_sql("select 1 as a from failed_events")) == 3, what="failed rows")
    assert found(stopped.data, WHO)

    said = stopped.run("erase", "--user-id", WHO, "--dry-run").stdout
    assert re.search(r"^events +3$", said, re.MULTILINE)
    assert len(stopped.sql("select 1 as a from events")) == 5, "nothing was touched"

    done = stopped.run("erase", "--user-id", WHO)
    told = counts(done.stdout)
    assert told["events"] == [3, 0]
    assert told["failed_events"] == [2, 0]
    assert told["bus"][0] > 3
    assert told["bus"][1] == 0
    left = {row["user_id"] for row in stopped.sql("select user_id from events")}
    assert left == {"anna", f"{WHO}-2"}
    stopped.run("erase", "--user-id", f"{WHO}-2")
    assert found(stopped.data, WHO) == []

    again = send(stopped.url, event("pv", uid="anna"), event("pv", uid=WHO))
    stopped.rows(again)
    assert len(stopped.sql("select 1 as a from failed_events where user_id = 'bert'")) == 1
    assert counts(stopped.run("erase", "--user-id", WHO).stdout)["events"] == [1, 0]
    copies = stopped.folder / "copies"
    assert "back-up" in stopped.run("maintain", "--backup", str(copies)).stdout
    assert stopped.stop() == 0
    assert "Traceback" not in stopped.said()

    (stopped.data / "warehouse").rename(stopped.data / "lost")
    assert stopped.run("restore", "--from", str(copies)).stdout.startswith("Restored the copy")
    assert {row["user_id"] for row in stopped.sql("select user_id from events")} == {"anna"}
    assert stopped.run("restore", "--from", str(copies), expect=2).stderr.count("there is a warehouse already") == 1
    stopped.start()
    stopped.rows(send(stopped.url, event("pv", uid="anna")))
    assert stopped.stop() == 0


def test_events_on_their_way_arrive_first(stopped: Pipeline) -> None:
    collector = stopped.service("collector")
    try:
        eventually(lambda: answers(stopped), 30, 0.1, "the collector")
        send(stopped.url, event("pv", uid=WHO), event("pv", uid="anna"))
    finally:
        collector.terminate()
        collector.wait(30)
    refused = stopped.run("erase", "--user-id", WHO, expect=1)
    assert "--offline" in refused.stderr
    done = stopped.run("erase", "--user-id", WHO, "--offline")
    assert counts(done.stdout) == {"events": [1, 0], "waiting_events": [0, 0], "failed_events": [0, 0], "bus": [2, 0]}
    assert [row["user_id"] for row in stopped.sql("select user_id from events")] == ["anna"]
    assert found(stopped.data, WHO) == []


def answers(pipeline: Pipeline) -> bool:
    try:
        return call(pipeline.url, "GET", "/health")[0] == 200
    except OSError:
        return False
