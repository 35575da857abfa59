"""The embedded warehouse: whatever was cast can be stored and comes back as it was."""

import datetime
from decimal import Decimal as Number
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backbone import jsontext
from backbone.schema_types import Array, Decimal, Field, Scalar, Struct
from loader.casting import CastError, Encoding, compile_cast
from loader.instants import date_text, instant_text
from loader.warehouses import ducklake_upkeep
from loader.warehouses.ducklake import DuckLake
from loader.warehouses.ducklake_catalog import NoWarehouse, open_reader
from loader.warehouses.ducklake_rows import RowReader, encode
from loader.warehouses.ducklake_types import UNNAMED, shape_in_table, shape_of, type_text
from loader.warehouses.protocol import Batch, Change

ENCODING = Encoding(instant_text, date_text, str, UNNAMED)
scalars = st.sampled_from(["String", "Boolean", "Integer", "Long", "Double", "Date", "Timestamp", "Json"]).map(Scalar)  # type: ignore[arg-type]
decimals = st.tuples(st.sampled_from([9, 18, 38]), st.integers(0, 12)).map(lambda pair: Decimal(*pair))
types: st.SearchStrategy[Any] = st.recursive(
    scalars | decimals,
    lambda inner: (
        st.builds(Array, inner, st.booleans())
        | st.lists(st.tuples(inner, st.booleans()), min_size=1, max_size=3).map(
            lambda made: Struct(tuple(Field(f"f{at}", kind, null, (f"f{at}",)) for at, (kind, null) in enumerate(made)))
        )
    ),
    max_leaves=5,
)
texts = st.text() | st.sampled_from(
    [
        "2024-02-29",
        "-0044-02-28",
        "+200000-01-01",
        "2024-02-29T12:30:15.5Z",
        "-0001-01-01T00:00:00Z",
        "+99999-02-28T12:30:15+02:00",
        "a\0b",
    ]
)
numbers = (
    st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(-1000, 1000, places=3).map(lambda number: jsontext.LiteralNumber(str(number)))
)


def value_of(kind: Any) -> st.SearchStrategy[Any]:
    """Values that mostly fit."""
    if isinstance(kind, Struct):
        return st.fixed_dictionaries({field.name: value_of(field.type) for field in kind.fields})
    if isinstance(kind, Array):
        return st.lists(value_of(kind.element), max_size=3)
    name = "Decimal" if isinstance(kind, Decimal) else kind.name
    return {
        "String": texts,
        "Date": texts,
        "Timestamp": texts,
        "Boolean": st.booleans(),
        "Json": texts | numbers | st.none(),
    }.get(name, numbers)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_was_cast_inserts(tmp_path: Path, data: Any) -> None:
    kind = data.draw(types)
    value = data.draw(value_of(kind))
    try:
        made = compile_cast(kind, ENCODING)(value)
    except CastError:
        return
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        _, select = wide_reader(connection, tmp_path / "rows").select([{"c": made}, {}], {"c": shape_of(kind)})
        connection.execute(f"CREATE TABLE t (c {type_text(shape_of(kind))})")
        connection.execute(f"INSERT INTO t {select()}")
        assert shape_in_table(connection.table("t").types[0]) == shape_of(kind)
        assert connection.execute("SELECT count(c) FROM t").fetchone() == (1,)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (Scalar("Long"), -(2**63), -(2**63)),
        (Scalar("Double"), 1.7976931348623157e308, 1.7976931348623157e308),
        (Scalar("Double"), 5e-324, 5e-324),
        (Decimal(38, 0), 10**37, Number(10**37)),
        (Decimal(18, 2), jsontext.LiteralNumber("1234567890123456.78"), Number("1234567890123456.780000000")),
        (Decimal(38, 20), jsontext.LiteralNumber("0.00000000000000000001"), Number("1E-20")),
        (Scalar("Date"), "2024-02-29", datetime.date(2024, 2, 29)),
        (
            Scalar("Timestamp"),
            "2024-02-29T12:30:15.123456+02:00",
            datetime.datetime(2024, 2, 29, 10, 30, 15, 123456, datetime.UTC),
        ),
        (Scalar("Json"), {"a": [1, None, "x"]}, '{"a":[1,null,"x"]}'),
        (Array(Array(Scalar("String"), False), False), [["a"], []], [["a"], []]),
        (Struct((Field("", Scalar("String"), True, ("",)),)), {"": "x"}, {"(unnamed)": "x"}),
    ],
    ids=lambda value: str(value)[:30],
)
def test_values_come_back_exactly(tmp_path: Path, kind: Any, value: Any, expected: Any) -> None:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        made = compile_cast(kind, ENCODING)(value)
        _, select = wide_reader(connection, tmp_path / "rows").select([{"c": made}], {"c": shape_of(kind)})
        assert connection.execute(select()).fetchone() == (expected,)


def wide_reader(connection: Any, file: Path) -> RowReader:
    reader = RowReader(connection, file)
    reader.narrow = False
    return reader


def test_amounts_too_large_for_the_quick_way_are_stored_exactly(tmp_path: Path) -> None:
    totals = ["12.34", "1234567890123456.78", "-999999999.99"]
    warehouse = DuckLake(tmp_path / "warehouse", 10)
    for number, total in enumerate(totals):
        batch = Batch("2026-01-01 10:00:00.000")
        batch.add(row(number, tr_total=total), encode)
        warehouse.store(batch)
    warehouse.close()
    with open_reader(tmp_path) as connection:
        stored = connection.execute("SELECT tr_total FROM events ORDER BY event_id").fetchall()
    assert [amount for (amount,) in stored] == [Number(total) for total in totals]


def row(number: int, **more: Any) -> dict[str, Any]:
    moment = "2026-01-01 10:00:00.000"
    return {
        "event_id": f"00000000-0000-0000-0000-{number:012d}",
        "collector_tstamp": moment,
        "v_collector": "c",
        "v_etl": "e",
        **more,
    }


NOW = "2026-01-01 10:00:00.000"


def batch(*rows: dict[str, Any], **more: Any) -> Batch:
    made = Batch(NOW, **more)
    for one in rows:
        made.add(one, encode)
    return made


def test_rows_changes_and_positions_are_one_transaction(tmp_path: Path) -> None:
    warehouse = DuckLake(tmp_path / "warehouse", 10)
    change = Change(("contexts_x_1",), shape_of(Array(Struct((Field("a", Scalar("String"), True, ("a",)),)), False)), "x")
    good = row(1, contexts_x_1=[{"a": "1"}])
    refused = batch(good, row(2, geo_latitude="no number"), changes=[change], positions={"log": 5})
    with pytest.raises(Exception, match="1 rows refused"):
        warehouse.store(refused)
    assert warehouse.positions() == {}
    assert "contexts_x_1" not in warehouse.columns()
    warehouse.store(batch(good, changes=[change], positions={"log": 6}))
    assert warehouse.positions() == {"log": 6}
    warehouse.close()
    with open_reader(tmp_path) as reader:
        assert reader.execute("SELECT contexts_x_1 FROM events").fetchall() == [([{"a": "1"}],)]


def test_small_files_are_merged_and_nothing_changes_for_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ducklake_upkeep, "KEPT", "0 seconds")
    warehouse = DuckLake(tmp_path / "warehouse", 1000)
    reader = open_reader(tmp_path)
    for number in range(20):
        warehouse.store(batch(row(number), positions={"log": number}))
    before = len(list((tmp_path / "warehouse" / "data").rglob("*.parquet")))
    warehouse._upkeep.run()
    warehouse._upkeep.run()
    assert reader.execute("SELECT count(*), count(DISTINCT event_id) FROM events").fetchone() == (20, 20)
    assert len(list((tmp_path / "warehouse" / "data" / "main" / "events").rglob("*.parquet"))) < before / 4
    assert warehouse.positions() == {"log": 19}
    warehouse.close()
    reader.close()


@pytest.mark.parametrize("table", ["events", "failed_events"])
def test_housekeeping_after_a_restart_keeps_what_is_in_columns_that_were_added(
    station: Any, schemas: Any, line: Any, table: str
) -> None:
    stream = {"events": "enriched", "failed_events": "failed"}[table]
    for version in range(3):
        uri = f"iglu:com.acme/cart/jsonschema/1-0-{version}"
        schemas.put(uri, properties={name: {"type": "string"} for name in "abc"[: version + 1]})
        for at in range(2):
            station.send((stream, line(entities=[(uri, {"abc"[version]: str(at)})])))
            station.load()
    query = f"SELECT event_id, contexts_com_acme_cart_1 FROM {table} WHERE v_etl <> 'e' ORDER BY 1"
    before = station.sql(query)
    assert len(before) == 6
    warehouse = DuckLake(station.folder / "warehouse", 10)
    for _ in range(2):
        warehouse._upkeep.run()
        assert station.sql(query) == before
        warehouse.store(batch(row(7)))
    warehouse.close()
    assert len(station.sql(f"SELECT data_file FROM ducklake_list_files('lake', '{table}')")) < 6


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    DuckLake(tmp_path / "warehouse", 10).close()
    with open_reader(tmp_path) as reader, pytest.raises(duckdb.Error):
        reader.execute("DELETE FROM events")


def test_a_folder_without_warehouse_says_so(tmp_path: Path) -> None:
    with pytest.raises(NoWarehouse, match="nothing has been loaded"):
        open_reader(tmp_path)
