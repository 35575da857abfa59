"""Whatever comes, in whatever order and however often, with replays and restarts in between: the books balance."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from bigquery_server import BigQueryServer
from bookkeeping import CART, Works, agreed, bad_payload, bad_row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loader.replay import replay
from loader.warehouses.bigquery_state import State

LONG = bool(os.environ.get("SNOWMELT_TEST_LONG"))
IDS = [f"0f0e0d0c-0b0a-4908-8706-05040302010{number}" for number in range(3)]
TIMES = ["2026-01-01 10:59:59.000", "2026-01-01 11:00:01.000"]

events = st.fixed_dictionaries(
    {"event_id": st.sampled_from(IDS), "collector_tstamp": st.sampled_from(TIMES)},
    optional={"event_fingerprint": st.sampled_from("fg"), "app_id": st.sampled_from(["shop", "other"])},
)
records = st.one_of(
    st.tuples(st.sampled_from(["good", "refused", "failed", "bad", "failed and bad"]), events),
    st.tuples(st.just("payload"), st.sampled_from(["{}", "[]"])),
    st.tuples(st.just("nonsense"), st.sampled_from([b"x", b"y"])),
)
steps = st.one_of(st.lists(records, min_size=1, max_size=6), st.sampled_from(["replay", "stop"]))


def made(kind: str, about: Any, line: Any) -> list[tuple[Any, bytes]]:
    if kind == "payload":
        return [("bad", bad_payload(body=about))]
    if kind == "nonsense":
        return [("enriched", about), ("bad", about)]
    if kind in ("good", "refused"):
        return [("enriched", line(**about, entities=[(CART, {"a": "x" if kind == "good" else 5})]))]
    halves: dict[str, tuple[Any, bytes]] = {"failed": ("failed", line(**about)), "bad": ("bad", bad_row(**about))}
    return [halves[name] for name in ("failed", "bad") if name in kind]


some = settings(
    max_examples=60 if LONG else 4,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.large_base_example],
)


@some
@given(st.lists(steps, min_size=3, max_size=8))
def test_the_books_balance(schemas: Any, line: Any, sequence: list[Any]) -> None:
    schemas.put(CART, properties={"a": {"type": "string"}})
    with tempfile.TemporaryDirectory() as folder:
        works = Works(Path(folder), schemas.folder)
        works.load()
        try:
            for step in sequence:
                if step == "replay":
                    replay(works.settings)
                elif step == "stop":
                    works.stop()
                else:
                    works.send(*(record for kind, about in step for record in made(kind, about, line)))
                works.load()
            agreed(works)
        finally:
            works.stop()
            works.publisher.close()


class Killed(BaseException):
    pass


def loaded_until_killed(works: Works, batches: int) -> None:
    """By a loader of its own, in small batches; killed before this one is noted, if there are so many."""
    note, left = State.note, iter(range(batches))

    def noting(*about: Any, **more: Any) -> None:
        if next(left, None) is None:
            raise Killed
        note(*about, **more)

    works.stop()
    works.start(batch_records=2)
    with pytest.MonkeyPatch.context() as patched, suppress(Killed):
        patched.setattr(State, "note", noting)
        works.load()
    works.stop()


deaths = st.lists(st.integers(0, 2), max_size=3)


@some
@given(st.lists(st.tuples(st.lists(records, min_size=1, max_size=6), deaths), min_size=1, max_size=4))
def test_the_books_of_bigquery_balance_whenever_the_loader_dies(schemas: Any, line: Any, sequence: list[Any]) -> None:
    schemas.put(CART, properties={"a": {"type": "string"}})
    with tempfile.TemporaryDirectory() as folder:
        server = BigQueryServer(Path(folder))
        works = Works(Path(folder), schemas.folder, server=server)
        try:
            for sent, killed in sequence:
                works.send(*(record for kind, about in sent for record in made(kind, about, line)))
                for batches in killed:
                    loaded_until_killed(works, batches)
                    agreed(works)
                works.load()
                assert not [note for note in agreed(works).notes if "just being stored" in note]
        finally:
            works.stop()
            works.publisher.close()
            server.close()
