"""A person's rows out of BigQuery: found by the same rules as in the embedded warehouse, deleted as soon as BigQuery lets go.

The tables that are kept as logs lose every row of a key that is the person's, older versions too. Nothing here needs the loader:
it recognises an event that comes again as before, passes over waiting events that are gone, and looks at the tables anew when
it sees that rows were removed (`loader.warehouses.bigquery_removals`). May be run again after a kill.
"""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from backbone.belonging import in_bad_row, in_line
from backbone.person import COLUMNS, Person
from loader.warehouses.bigquery_access import Access
from loader.warehouses.bigquery_fresh import changeable, micros, oldest_first
from loader.warehouses.bigquery_removals import create, noting
from loader.warehouses.bigquery_settled import Settled, settled
from loader.warehouses.ducklake_erasure import PLAIN, WHOLE_EVENTS

EVENTS, FAILED, WAITING = "events", "failed_events", "waiting_events"
REPLAYS, REPLAYED = "replays", "replayed_events"
_AT_ONCE = 5_000
_SUSPECTS_AT_ONCE = 200
Keys = Mapping[Any, int]
"""Keys of a log, each with the number of its last change: microseconds since 1970."""


class Left(NamedTuple):
    """Rows that BigQuery does not let go of before `when`; None: their batch is not completed, or they came just now."""

    place: str
    rows: int
    when: datetime | None


class Erasure:
    def __init__(self, access: Access, person: Person) -> None:
        self._access = access
        self._ids = sorted(set().union(*person.ids.values()))
        self._person = person
        self._theirs, self._values = _condition(person)
        self._settled = Settled(0, 0)

    def counted(self) -> dict[str, int]:
        """Place → how much is the person's; failures also that the view does not show any more."""
        if not self._access.exists(EVENTS):
            return {}
        events, _ = self._events()
        return {EVENTS: events, WAITING: len(self._waiting()), FAILED: len(self._failures())}

    def erase(self) -> list[Left]:
        """Deletes what it may; what is left."""
        if not self._access.exists(EVENTS):
            return []
        create(self._access)
        self._settled = settled(self._access)
        failures = self._failures()
        left = [self._forget_filters()]
        marks = self._marks(sorted(failures))
        tried = self._delete(REPLAYED, "mark", {mark: change for mark, (_, _, change) in marks.items()})
        left.append(tried)
        kept = [] if tried is None else self._marks(sorted(failures)).values()
        left.append(self._delete_events(sorted({event_id for event_id, _, _ in kept if event_id})))
        held = {key for _, key, _ in kept}
        left.append(self._delete(FAILED, "failure_key", {key: at for key, at in failures.items() if key not in held}))
        if held & failures.keys():
            assert tried is not None
            left.append(Left(FAILED, len(held & failures.keys()), tried.when))
        left.append(self._delete(WAITING, "number", self._waiting()))
        return [each for each in left if each is not None]

    def _delete_events(self, held: Sequence[str]) -> Left | None:
        """`held`: events that notes of replays still lead to, which go first."""
        events = self._access.quoted(EVENTS)
        rows = f"FROM {events} WHERE ({self._theirs}) AND (load_tstamp IS NULL OR load_tstamp < TIMESTAMP_MICROS(@before))"
        if held:
            rows += " AND event_id NOT IN UNNEST(@held)"

        def delete(before: int) -> None:
            until = min(before, self._settled.loaded + 1)
            self._change(noting(self._access, "erased", EVENTS, rows), f"DELETE {rows}", before=until, held=held)

        age = oldest_first(delete)
        number, newest = self._events()
        return _left(EVENTS, number, newest, age)

    def _events(self) -> tuple[int, int]:
        """(rows, when the last of them was loaded: microseconds since 1970)."""
        columns = "COUNT(*), UNIX_MICROS(MAX(load_tstamp))"
        ((number, newest),) = self._query(f"SELECT {columns} FROM {self._access.quoted(EVENTS)} WHERE {self._theirs}")
        return int(number), newest or 0

    def _failures(self) -> Keys:
        """Those whose columns, original or line hold an id of the person, in any version."""
        columns = f"failure_key, COALESCE({self._theirs}, FALSE), original, enriched_line"
        suspicious, letters = self._suspicion()
        query = f"SELECT {columns} FROM {self._log(FAILED)} WHERE NOT removed AND ({self._theirs} OR {suspicious})"
        found: set[str] = set()
        given: dict[str, Any] = {**self._values, **letters}
        for key, theirs, original, line in self._access.pages(query, _SUSPECTS_AT_ONCE, **given):
            if key not in found and (theirs or self._reads(original, line)):
                found.add(key)
        return self._last_changes(FAILED, "failure_key", sorted(found))

    def _reads(self, original: str | None, line: str | None) -> bool:
        person = self._person
        return bool(original and in_bad_row(person, original)) or bool(line and in_line(person, line))

    def _suspicion(self) -> tuple[str, dict[str, str]]:
        """Failures that must be read: those with an id's letters anywhere, and those that keep their text encoded."""
        if not all(re.match(PLAIN, value) for value in self._ids):
            return "TRUE", {}
        names = [f"letters{number}" for number in range(len(self._ids))]
        columns = ("original", "enriched_line")
        parts = [f"STRPOS(LOWER({column}), LOWER(@{name})) > 0" for name in names for column in columns]
        kinds = ", ".join(f"'{kind}'" for kind in WHOLE_EVENTS)
        return " OR ".join(["kind IS NULL", f"kind NOT IN ({kinds})", *parts]), dict(zip(names, self._ids, strict=True))

    def _waiting(self) -> Keys:
        found = self._query(f"SELECT DISTINCT number FROM {self._log(WAITING)} WHERE {self._theirs}")
        return self._last_changes(WAITING, "number", [number for (number,) in found])

    def _marks(self, failures: Sequence[str]) -> dict[str, tuple[str | None, str, int]]:
        """Notes of replays that lead to rows of the person: mark → (event id, failure key, last change)."""
        ours = f"event_id IN (SELECT event_id FROM {self._access.quoted(EVENTS)} WHERE {self._theirs})"
        keys = " OR failure_key IN UNNEST(@failures)" if failures else ""
        columns = "mark, MAX(event_id), MAX(failure_key), MAX(change)"
        query = f"SELECT {columns} FROM {self._log(REPLAYED)} WHERE {ours}{keys} GROUP BY mark"
        given = {"failures": failures} if failures else {}
        return {mark: (event_id, key, change) for mark, event_id, key, change in self._query(query, **given)}

    def _last_changes(self, table: str, key: str, keys: Sequence[Any]) -> Keys:
        query = f"SELECT {key}, MAX(change) FROM {self._log(table)} WHERE {key} IN UNNEST(@keys) GROUP BY {key}"
        found: dict[Any, int] = {}
        for part in _parts(keys):
            found |= dict(tuple(row) for row in self._access.pages(query, keys=part))
        return found

    def _delete(self, table: str, key: str, keys: Keys) -> Left | None:
        """All rows of these keys, as far as none of them is too fresh; those the view showed are noted as removed."""
        rows = f"FROM {self._log(table)} WHERE {key} IN UNNEST(@keys)"
        latest = f"{rows} QUALIFY ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY change DESC) = 1"
        shown = f"FROM (SELECT * {latest}) WHERE NOT removed AND change < @before"
        statements = [noting(self._access, "erased", table, shown)] if table in (FAILED, WAITING) else []
        gone: set[Any] = set()

        def delete(before: int) -> None:
            until = min(before, self._settled.change + 1)
            for part in _parts([each for each, change in keys.items() if change < until and each not in gone]):
                self._change(*statements, f"DELETE {rows} AND change < @before", before=until, keys=part)
                gone.update(part)

        age = oldest_first(delete)
        kept = [change for each, change in keys.items() if each not in gone]
        return _left(table, len(kept), max(kept, default=0), age)

    def _forget_filters(self) -> Left | None:
        """What a replay was told to select may name the person."""
        spelled = sorted({*self._ids, *(json.dumps(value, ensure_ascii=False)[1:-1] for value in self._ids)})
        values: dict[str, Any] = {f"text{number}": text for number, text in enumerate(spelled)}
        naming = " OR ".join(f"STRPOS(TO_JSON_STRING(filters), @{name}) > 0" for name in values)
        rows = f"{self._log(REPLAYS)}"

        def forget(before: int) -> None:
            sql = f"UPDATE {rows} SET filters = NULL WHERE filters IS NOT NULL AND ({naming}) AND change < @before"
            self._access.change(sql, before=before, **values)

        age = oldest_first(forget)
        query = f"SELECT COUNT(*), MAX(change) FROM {rows} WHERE filters IS NOT NULL AND ({naming})"
        ((number, newest),) = self._access.pages(query, **values)
        return _left(REPLAYS, number, newest, age)

    def _change(self, *statements: str, **values: Any) -> None:
        given = {**self._values, **values, "tstamp": micros(datetime.now(UTC))}
        whole = "\n".join(statements)
        self._access.transaction(*statements, **{name: value for name, value in given.items() if re.search(rf"@{name}\b", whole)})

    def _query(self, sql: str, **values: Any) -> list[Any]:
        given: dict[str, Any] = {**self._values, **values}
        return list(self._access.pages(sql, **given))

    def _log(self, view: str) -> str:
        return self._access.quoted(f"{view}_log")


def _left(place: str, rows: int, newest: int, age: timedelta | None) -> Left | None:
    """`newest`: when the last of the rows came, microseconds since 1970. `age`: as `oldest_first` answered."""
    if not rows:
        return None
    when = changeable(newest, age)
    return Left(place, rows, when if when > datetime.now(UTC) else None)


def _condition(person: Person) -> tuple[str, dict[str, list[str]]]:
    """(SQL over the typed columns, its parameters). UUIDs are compared without regard to capitals."""
    values = {name: sorted(person.ids[name]) for name in COLUMNS}
    parts = {name: f"{name} IN UNNEST(@{name})" for name in COLUMNS}
    for name in COLUMNS[1:]:
        values[f"{name}_uuid"] = sorted(value for value in person.ids[name] if len(value) == 36 and value.count("-") == 4)
        parts[f"{name}_uuid"] = f"LOWER({name}) IN UNNEST(@{name}_uuid)"
    given = {name: value for name, value in values.items() if value}
    return f"({' OR '.join(parts[name] for name in given)})", given


def _parts(keys: Sequence[Any]) -> list[Sequence[Any]]:
    return [keys[at : at + _AT_ONCE] for at in range(0, len(keys), _AT_ONCE)]
