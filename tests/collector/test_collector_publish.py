"""Group commit: 200 only for what is stored; everything else is refused in time, with bounded memory."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from backbone.bus.log import LogBus
from backbone.bus.memory import MemoryBus
from backbone.bus.protocol import Positions, Stream
from backbone.errors import BusUnavailable
from collector.memory import Memory
from collector.publish import GroupCommit

TP2 = "/com.snowplowanalytics.snowplow/tp2"
ORIGIN = ("Origin", "https://shop.example")
Make = Callable[..., Any]


class Gate:
    """A publisher whose commits wait until told to go on, or to fail."""

    def __init__(self) -> None:
        self.go = threading.Semaphore(0)
        self.problem: Exception | None = None
        self.commits: list[list[tuple[Stream, bytes]]] = []
        self.closed = False

    def commit(self, records: Sequence[tuple[Stream, bytes]], consumed: Positions | None = None) -> None:
        records = list(records)
        self.go.acquire(timeout=20)
        if self.problem is not None:
            raise self.problem
        self.commits.append(records)

    def consumed(self) -> dict[str, int]:
        return {}

    def close(self) -> None:
        self.closed = True


def run(scenario: Callable[[GroupCommit, Gate], Any], limit: int = 10**9, timeout: float = 20) -> Gate:
    gate = Gate()

    async def main() -> None:
        commits = GroupCommit(gate, Memory(limit), timeout)
        commits.start()
        await scenario(commits, gate)
        gate.go.release(1000)
        await commits.close()

    asyncio.run(main())
    return gate


def test_nothing_is_acknowledged_before_the_commit() -> None:
    async def scenario(commits: GroupCommit, gate: Gate) -> None:
        waiting = asyncio.ensure_future(commits.store([("raw", b"a")]))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        gate.go.release()
        assert await waiting is True

    assert run(scenario).commits == [[("raw", b"a")]]


def test_requests_gather_while_a_commit_is_under_way() -> None:
    async def scenario(commits: GroupCommit, gate: Gate) -> None:
        first = asyncio.ensure_future(commits.store([("raw", b"0")]))
        await asyncio.sleep(0.05)
        rest = [asyncio.ensure_future(commits.store([("raw", b"%d" % number), ("bad", b"x")])) for number in range(1, 50)]
        await asyncio.sleep(0.05)
        gate.go.release(2)
        assert await asyncio.gather(first, *rest) == [True] * 50

    gate = run(scenario)
    assert [len(batch) for batch in gate.commits] == [1, 98]
    assert [data for stream, data in gate.commits[1] if stream == "raw"] == [b"%d" % number for number in range(1, 50)]


@pytest.mark.parametrize("problem", [BusUnavailable("disk gone"), RuntimeError("event data")])
def test_a_failed_commit_refuses_its_requests_and_the_next_goes_on(problem: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(commits: GroupCommit, gate: Gate) -> None:
        gate.problem = problem
        gate.go.release()
        assert await commits.store([("raw", b"a")]) is False
        assert not commits.healthy()
        gate.problem = None
        gate.go.release()
        assert await commits.store([("raw", b"b")]) is True
        assert commits.healthy()

    with caplog.at_level(logging.ERROR, "snowmelt.collector"):
        assert run(scenario).commits == [[("raw", b"b")]]
    assert [record.name for record in caplog.records].count("snowmelt.collector") == 1
    assert "event data" not in caplog.text


def test_a_stalled_commit_refuses_everyone_and_recovers() -> None:
    async def scenario(commits: GroupCommit, gate: Gate) -> None:
        first = asyncio.ensure_future(commits.store([("raw", b"a")]))
        await asyncio.sleep(0.05)
        second = asyncio.ensure_future(commits.store([("raw", b"b")]))
        assert await asyncio.gather(first, second) == [False, False]
        assert not commits.healthy()
        assert await commits.store([("raw", b"c")]) is False
        gate.go.release()
        await asyncio.sleep(0.1)
        gate.go.release()
        assert await commits.store([("raw", b"d")]) is True

    gate = run(scenario, timeout=0.3)
    assert gate.commits == [[("raw", b"a")], [("raw", b"d")]]


def test_memory_is_bounded_and_given_back() -> None:
    async def scenario(commits: GroupCommit, gate: Gate) -> None:
        first = asyncio.ensure_future(commits.store([("raw", b"x" * 60)]))
        await asyncio.sleep(0.05)
        assert await commits.store([("raw", b"x" * 60)]) is False
        second = asyncio.ensure_future(commits.store([("raw", b"x" * 40)]))
        gate.go.release(2)
        assert await asyncio.gather(first, second) == [True, True]
        gate.go.release()
        assert await commits.store([("raw", b"x" * 1000)]) is True

    run(scenario, limit=100)


def test_batches_are_bounded() -> None:
    async def scenario(commits: GroupCommit, gate: Gate) -> None:
        gate.go.release(10)
        large = b"x" * 7_000_000
        assert await asyncio.gather(*(commits.store([("raw", large)]) for _ in range(5))) == [True] * 5

    assert [len(batch) for batch in run(scenario).commits] == [2, 2, 1]


def test_closing_stores_what_waits() -> None:
    async def scenario(commits: GroupCommit, gate: Gate) -> None:
        asyncio.ensure_future(commits.store([("raw", b"a")]))  # noqa: RUF006
        await asyncio.sleep(0.05)
        asyncio.ensure_future(commits.store([("raw", b"b")]))  # noqa: RUF006
        await asyncio.sleep(0)

    gate = run(scenario)
    assert gate.commits == [[("raw", b"a")], [("raw", b"b")]]
    assert gate.closed


@pytest.mark.parametrize("request_", [("POST", TP2), ("GET", "/i"), ("HEAD", "/i"), ("GET", "/r/x?u=https://a.example/")])
def test_a_full_disk_is_503_with_cors_and_retry_after(inside: Make, tmp_path: Path, request_: tuple[str, str]) -> None:
    bus = LogBus(tmp_path, max_bytes=300_000)
    app = inside(bus=bus, redirects={"enabled": True, "domains": ["a.example"]}, timeouts={"retry_after": 12})
    refusals = 0
    while refusals < 3:  # sealed files shrink for a moment longer: full is what stays full
        if app.ask("POST", TP2, [], b"x" * 50_000).status == 200:
            refusals = 0
            assert len(app.payloads) < 100
        else:
            refusals += 1
            time.sleep(0.2)
    answer = (
        app.ask(*request_, [ORIGIN], b"x" * 50_000)
        if request_[0] == "POST"
        else app.ask(*request_, [ORIGIN, ("A", "b" * 60_000)])
    )
    assert (answer.status, answer.one("retry-after")) == (503, "12")
    assert answer.one("access-control-allow-origin") == "https://shop.example"
    assert answer.one("access-control-allow-credentials") == "true"
    assert answer.all("set-cookie") == []
    assert app.ask("GET", "/health").status == 200
    assert app.ask("GET", "/sink-health").status == 503


def test_a_slow_bus_is_503(inside: Make) -> None:
    gate = Gate()
    app = inside(publisher=gate, timeouts={"store": 0.2})
    before = time.monotonic()
    assert app.ask("POST", TP2, [ORIGIN], b"{}").status == 503
    assert time.monotonic() - before < 5
    assert app.ask("POST", TP2, [ORIGIN], b"{}").status == 503
    gate.go.release(100)


def test_a_fault_of_ours_is_503_and_tells_nothing_of_the_event(inside: Make, caplog: pytest.LogCaptureFixture) -> None:
    app = inside(bus=MemoryBus())
    with caplog.at_level(logging.ERROR, "snowmelt.collector"):
        answer = app.ask("POST", TP2, [ORIGIN], b"{}", client=("192.0.2.2", 1), query_string="not bytes: secret")
    assert (answer.status, answer.one("access-control-allow-origin")) == (503, "https://shop.example")
    (record,) = [each for each in caplog.records if each.name == "snowmelt.collector"]
    assert "TypeError" in record.message
    assert "secret" not in caplog.text
