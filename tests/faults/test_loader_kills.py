"""SIGKILL of the loader, and of replays and maintenance beside it, while schemas grow, break, come late and are mended.

Every so often everything settles, and then: the audit is clean, every event is in exactly one table, and every value is what was
sent. The loader notes what it is doing (`tests/rig/watched_loader.py`), so that each round can be killed in the middle of
something else; `pytest -rP` shows what was going on at each kill.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from evolving_families import ATOMIC, ATOMIC_SQL, Place, place_of, without_nulls
from evolving_stream import EvolvingStream
from pipeline import ROOT, eventually
from replay_works import Works
from watched_loader import told

from backbone.bus import open_bus
from loader.app import STREAMS
from loader.audit import audit
from loader.requests import Requests
from loader.warehouses.ducklake_catalog import open_reader

pytestmark = pytest.mark.fault
LONG = bool(os.environ.get("SNOWMELT_TEST_LONG"))
KILLS = 300 if LONG else 6
CHECK_EVERY = 25 if LONG else 6
WATCHED = ROOT / "tests" / "rig" / "watched_loader.py"
GOALS = (
    "store > evolve",
    "maintain > rewrite",
    "waiting > store",
    "maintain > merge",
    "store > replayed",
    "upkeep",
    "load > store",
    "back-up",
    "open",
    "load > build",
    "upkeep > merge",
    "anything",
    "maintain > flush",
)
"""What the loader is killed in the middle of, in turn."""
REPLAY = "import loader.replay as r, snowmelt.cli as c; r._CHUNK = 5; c.main()"


class Killed:
    """A data folder whose loader is killed again and again."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.chance = chance
        self.schemas = folder / "schemas"
        self.works = Works(folder / "data", self.schemas)
        self.stream = EvolvingStream(self.schemas, chance)
        self.requests = Requests(self.works.settings.data.warehouse)
        self.killed: Counter[str] = Counter()
        self.log = folder / "loader.log"
        self._copies = folder / "copies"
        self._doing = folder / "doing"
        self._loader: subprocess.Popen[bytes] | None = None
        self._replay: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, str(WATCHED), *map(str, (self.works.settings.data.folder, self.schemas, self._doing))]
        self._doing.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self._loader = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def kill(self) -> None:
        assert self._loader is not None
        assert self._loader.poll() is None, f"the loader ended by itself: {self.said()}"
        self._loader.kill()
        self._loader.wait()
        self._loader = None
        self.killed[told(self._doing) or "import"] += 1

    def stop(self) -> None:
        assert self._loader is not None
        self._loader.send_signal(signal.SIGTERM)
        assert self._loader.wait(60) == 0, self.said()
        self._loader = None

    def close(self) -> None:
        for process in (self._loader, self._replay):
            if process is not None:
                process.kill()
                process.wait()

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")[-3000:]

    def begin(self) -> None:
        """Once without a kill: housekeeping before the first maintenance, over files of the very first columns."""
        self.start()
        self._grow()
        self.stop()

    def round(self, goal: str) -> None:
        """A loader's life, that ends while it does `goal`, or somewhere else if that does not come in time."""
        self.start()
        asked = None
        if goal.startswith("maintain") or goal == "back-up":
            asked = self.requests.ask("maintain", {"backup": str(self._copies) if goal == "back-up" else None})
        if goal == "store > replayed":
            self.stream.mend()
            self._replay = self._command("-c", REPLAY, "replay", "--schema", "iglu:com.acme/")
        self._live(goal)
        time.sleep(self.chance.choice((0, 0.01, 0.1)) * self.chance.random())
        self.kill()
        if asked is not None and self.chance.random() < 0.5:
            self.requests.withdraw(asked)  # else the next loader serves it
        if self._replay is not None:
            time.sleep(self.chance.uniform(0, 0.5))
            self._end_replay()

    def _live(self, goal: str) -> None:
        """Until it does `goal`. Something is sent all the time; a schema grows only after something was stored."""
        begun, sent, stored = time.monotonic(), 0.0, False
        growing = goal == "store > evolve" or goal.startswith("upkeep")
        limit = self.chance.uniform(1.2, 2.5) if goal == "anything" else 5.0
        while (now := time.monotonic()) < begun + limit:
            doing = told(self._doing)
            if goal in doing:
                return
            if now >= sent + 0.2:
                grows = growing and stored and "store" not in doing
                self._send(grows)
                growing, sent = growing and not grows, now
            if goal == "waiting > store" and now > begun + 1.5:
                self.stream.come()
            stored = stored or "load > store" in doing
            time.sleep(0.001)

    def _send(self, evolving: bool = False) -> None:
        stream, chance = self.stream, self.chance
        if evolving or chance.random() < (0.01 if LONG else 0.05):
            stream.evolve()
        records = list(stream.plain(chance.randint(1, 12)))
        if chance.random() < 0.1:
            records += stream.late(3)
        if chance.random() < 0.03:
            records += stream.unfit(3)
        if chance.random() < 0.1:
            records += stream.refused(4)
        chance.shuffle(records)
        self.works.send(*records)

    def maintain_alone(self) -> None:
        """The command itself, which does the work while no loader runs."""
        process = self._command("-m", "snowmelt", "maintain", "--backup", str(self._copies))
        time.sleep(self.chance.uniform(0.3, 2.5))
        self.killed["maintain command" if process.poll() is None else "maintain command, done"] += 1
        process.kill()
        process.wait()

    def _command(self, *arguments: str) -> "subprocess.Popen[bytes]":
        data = ("--data", str(self.works.settings.data.folder))
        return subprocess.Popen(
            [sys.executable, *arguments, *data], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def _end_replay(self) -> None:
        assert self._replay is not None
        self.killed["replay command" if self._replay.poll() is None else "replay command, done"] += 1
        self._replay.kill()
        self._replay.wait()
        self._replay = None

    def settle(self) -> None:
        """Everything sent is stored, what can be replayed is, and the loader has stopped."""
        self.stream.mend()
        self.start()
        self._live("upkeep > delete")
        self._drain()
        for _ in range(2):  # what a killed replay had sent is on its way during the first
            assert self._command("-m", "snowmelt", "replay", "--schema", "iglu:com.acme/").wait(60) == 0
            self.works.enrich()
            self._drain()
        self.stream.replayed()
        self.stop()

    def _grow(self) -> None:
        """So that some housekeeping finds several files of the time before a column changed, and several of the time after it."""
        for number in range(7):
            if number % 3 == 2:
                self.stream.evolve()
            self._send()
            self._wait_for_reading()
        self._live("upkeep > delete")

    def _wait_for_reading(self) -> None:
        bus = open_bus(self.works.settings)
        eventually(lambda: not bus.backlog("loader", STREAMS) or self._ended(), 240, 0.1, "bus read")
        assert not self._ended(), self.said()

    def _ended(self) -> bool:
        return self._loader is not None and self._loader.poll() is not None

    def _drain(self) -> None:
        self.works.send(*self.stream.plain(1))  # stored by this process: it is up
        self._wait_for_reading()
        waiting = self.stream.waiting()
        eventually(lambda: not self.requests.waiting(), 30, 0.2, "requests served")
        with open_reader(self.works.settings.data.folder) as reader, suppress(AssertionError):
            eventually(lambda: {id_ for (id_,) in reader.sql("SELECT event_id FROM waiting_events").fetchall()} == waiting, 30)

    def check(self) -> None:
        found = audit(self.works.settings)
        assert found.differences == []
        tables: dict[str, list[str]] = {}
        for table in ("events", "failed_events", "waiting_events"):
            for (event_id,) in self.works.sql(f"SELECT event_id FROM {table}"):
                tables.setdefault(event_id, []).append(table)
        wrong = {id_: (tables.get(id_), places) for id_, places in self.stream.places.items() if tables.get(id_) != list(places)}
        assert not wrong, f"{len(wrong)} events are not where they belong: {list(wrong.items())[:3]}"
        assert set(tables) == set(self.stream.sent)
        self._check_values()

    def _check_values(self) -> None:
        lines = dict(self.works.sql("SELECT event_id, line FROM waiting_events"))
        assert lines == {event_id: self.stream.sent[event_id].line().decode() for event_id in lines}
        for table in ("events", "failed_events"):
            for event_id, atomic, typed in self._rows(table):
                sent, replayed = self.stream.sent[event_id], event_id in self.stream.violations
                if table == "events" and replayed:
                    continue  # enriched from the request, of which it has nothing but its id
                assert dict(zip(ATOMIC, atomic, strict=True)) == sent.atomic(), f"{table} {event_id}"
                expected = {place: value for place, value in sent.typed().items() if table == "events" or "unfit" not in place[1]}
                assert typed == expected, f"{table} {event_id}: {typed} is not {expected}"

    def _rows(self, table: str) -> Iterator[tuple[str, tuple[Any, ...], dict[Place, Any]]]:
        with open_reader(self.works.settings.data.folder) as connection:
            places = {name: place for name in connection.table(table).columns if (place := place_of(name))}
            columns = "".join(f', "{name}"' for name in places)
            query = connection.execute(f"SELECT event_id, {ATOMIC_SQL}{columns} FROM {table}")
            while rows := query.fetchmany(5000):
                for event_id, *cells in rows:
                    filled = zip(places.values(), cells[len(ATOMIC) :], strict=True)
                    typed = {place: without_nulls(cell) for place, cell in filled if cell is not None}
                    yield event_id, tuple(cells[: len(ATOMIC)]), typed


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Killed]:
    made = Killed(tmp_path, random.Random(34))
    yield made
    made.close()


def test_killed_at_any_moment_it_loses_doubles_and_spoils_nothing(killed: Killed) -> None:
    begun = time.monotonic()
    killed.begin()
    for number in range(KILLS):
        killed.round(GOALS[number % len(GOALS)])
        if number % 8 == 5:
            killed.maintain_alone()
        if (number + 1) % CHECK_EVERY == 0:
            killed.settle()
            killed.check()
            print(f"{number + 1} kills, {len(killed.stream.sent)} events, {time.monotonic() - begun:.0f} s", flush=True)
    for doing, times in killed.killed.most_common():
        print(f"{times:4} killed during: {doing}")
