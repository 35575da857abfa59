"""`snowmelt tail` on a real log: every form of every stream, an empty or missing bus, following, starting at the end."""

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from backbone import thrift, tsv
from backbone.bus.log import LogBus
from backbone.bus.protocol import Stream
from backbone.event import Event
from backbone.payload import CollectorPayload
from backbone.selfdescribing import SelfDescribing, parse_key

ROOT = Path(__file__).parents[2]
PAYLOAD = CollectorPayload(
    timestamp=1700000000000, collector="c", path="/i", querystring="e=pv&page=caf\u00e9", headers=["Host: x"]
)
ROW = b'{"schema":"iglu:a/b/jsonschema/1-0-0","data":{"x":1.10}}'


def line() -> bytes:
    event = Event()
    event.app_id = "shop"
    event.event_id = "11111111-1111-4111-8111-111111111111"
    event.contexts = [SelfDescribing(parse_key("iglu:a/b/jsonschema/1-0-0"), {"k": "\u2603"})]
    return tsv.line(event).encode()


def publish(data: Path, *records: tuple[Stream, bytes]) -> None:
    publisher = LogBus(data / "bus").publisher("collector")
    publisher.commit(records)
    publisher.close()


def command(data: Path, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "snowmelt", "tail", *arguments, "--data", str(data)]


def tail(data: Path, *arguments: str, expect: int = 0) -> list[str]:
    done = subprocess.run(command(data, arguments), capture_output=True, text=True, cwd=ROOT, timeout=30)
    assert done.returncode == expect, done.stderr
    return done.stdout.splitlines() if expect == 0 else [done.stderr]


def test_raw_as_json_shows_the_fields_that_are_set(tmp_path: Path) -> None:
    publish(tmp_path, ("raw", thrift.encode(PAYLOAD)), ("bad", ROW))
    (text,) = tail(tmp_path, "raw")
    assert json.loads(text) == {
        "timestamp": 1700000000000,
        "encoding": "UTF-8",
        "collector": "c",
        "path": "/i",
        "querystring": "e=pv&page=caf\u00e9",
        "headers": ["Host: x"],
        "schema": PAYLOAD.schema,
    }


@pytest.mark.parametrize("stream", ["raw", "enriched", "failed", "bad"])
def test_base64_is_what_is_stored(tmp_path: Path, stream: Stream) -> None:
    stored = [b"\x00\xff anything", b"", "ünï\ncode\t".encode()]
    publish(tmp_path, *((stream, data) for data in stored))
    assert [base64.b64decode(text) for text in tail(tmp_path, stream, "--format", "base64")] == stored


@pytest.mark.parametrize("stream", ["enriched", "failed"])
def test_events_as_tsv_and_as_json(tmp_path: Path, stream: Stream) -> None:
    publish(tmp_path, (stream, line()))
    assert tail(tmp_path, stream, "--format", "tsv") == [line().decode()]
    (text,) = tail(tmp_path, stream)
    event = json.loads(text)
    assert event["app_id"] == "shop"
    assert event["contexts"]["data"] == [{"schema": "iglu:a/b/jsonschema/1-0-0", "data": {"k": "\u2603"}}]
    assert "page_url" not in event


def test_bad_rows_are_printed_as_they_are(tmp_path: Path) -> None:
    publish(tmp_path, ("bad", ROW))
    assert tail(tmp_path, "bad") == [ROW.decode()]


@pytest.mark.parametrize(("stream", "data"), [("raw", b"\x0b garbage"), ("enriched", b"two\tcells")])
def test_what_cannot_be_read_is_shown_with_the_reason(tmp_path: Path, stream: Stream, data: bytes) -> None:
    publish(tmp_path, (stream, data))
    (text,) = tail(tmp_path, stream)
    assert set(json.loads(text)) == {"unreadable", "reason"}


def test_tsv_of_messages_that_are_none_is_refused(tmp_path: Path) -> None:
    (said,) = tail(tmp_path, "raw", "--format", "tsv", expect=2)
    assert "json or base64" in said


@pytest.mark.parametrize("made", [True, False], ids=["empty", "missing"])
def test_an_empty_or_missing_bus_prints_nothing(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "data"
    if made:
        (folder / "bus").mkdir(parents=True)
    assert tail(folder, "raw") == []
    assert folder.exists() is made, "looking creates nothing"


@pytest.mark.parametrize(("begin", "first"), [("start", b"old"), ("end", b"new")])
def test_following_prints_what_comes(tmp_path: Path, begin: str, first: bytes) -> None:
    publish(tmp_path, ("raw", b"old"))
    found = follow(tmp_path, begin)
    assert found[0] == first
    assert set(found[1:]) == {b"new"}


def test_following_a_bus_that_does_not_exist_yet(tmp_path: Path) -> None:
    assert follow(tmp_path / "data", "start")[0] == b"new"


def follow(data: Path, begin: str) -> list[bytes]:
    """The first three messages, while new ones keep coming: when the follower is ready to see them is its own affair."""
    arguments = ["raw", "--format", "base64", "--from", begin, "--follow"]
    done = threading.Event()

    def keep_publishing() -> None:
        while not done.wait(0.3):
            publish(data, ("raw", b"new"))

    with subprocess.Popen(command(data, arguments), stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        watchdog = threading.Timer(30, process.kill)
        publishing = threading.Thread(target=keep_publishing)
        watchdog.start()
        publishing.start()
        found = [base64.b64decode(process.stdout.readline()) for _ in range(3)]
        done.set()
        publishing.join()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        watchdog.cancel()
    return found


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    publish(tmp_path, *(("bad", ROW) for _ in range(20_000)))
    line_ = f"{' '.join(command(tmp_path, ['bad']))} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line_], capture_output=True, text=True, cwd=ROOT, env={**os.environ})
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == ROW.decode() + "\n"
