"""The enriched event's line."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone import tsv
from backbone.event import COLUMNS, FIELDS, POSITION, Event, Kind
from backbone.selfdescribing import SelfDescribing, parse_key

SNOWPLOW = "iglu:com.snowplowanalytics.snowplow"
KEY = parse_key("iglu:com.acme/user/jsonschema/1-0-0")
ENTITY = '{"schema":"iglu:com.acme/user/jsonschema/1-0-0","data":{"id":"ü"}}'


def cells(**fields: object) -> list[str]:
    event = Event()
    event.__dict__.update(fields)
    return tsv.line(event).split("\t")


def test_an_event_has_131_columns_in_the_fixed_order() -> None:
    assert len(COLUMNS) == len(set(COLUMNS)) == 131
    assert (COLUMNS[0], COLUMNS[52], COLUMNS[58], COLUMNS[122], COLUMNS[130]) == (
        "app_id",
        "contexts",
        "unstruct_event",
        "derived_contexts",
        "true_tstamp",
    )


def test_every_field_reads_as_empty_until_it_is_set() -> None:
    event = Event()
    assert all(
        getattr(event, field.name) == (() if field.kind is Kind.JSON and "contexts" in field.name else None) for field in FIELDS
    )


@pytest.mark.parametrize(
    ("name", "value", "cell"),
    [
        ("app_id", "a b", "a b"),
        ("app_id", None, ""),
        ("txn_id", -5, "-5"),
        ("br_cookies", 0, "0"),
        ("se_value", "1E-7", "1E-7"),
        ("geo_latitude", 51.0, "51.0"),
        (
            "contexts",
            [SelfDescribing(KEY, {"id": "ü"})],
            f'{{"schema":"{SNOWPLOW}/contexts/jsonschema/1-0-1","data":[{ENTITY}]}}',
        ),
        ("contexts", [], ""),
        (
            "unstruct_event",
            SelfDescribing(KEY, {"id": "ü"}),
            f'{{"schema":"{SNOWPLOW}/unstruct_event/jsonschema/1-0-0","data":{ENTITY}}}',
        ),
    ],
)
def test_a_value_is_written_in_its_column(name: str, value: object, cell: str) -> None:
    line = cells(**{name: value})
    assert line[POSITION[name]] == cell
    assert sum(map(bool, line)) == bool(cell)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (51.0, "51.0"),
        (-0.001, "-0.001"),
        (1e-5, "1.0E-5"),
        (139.75309, "139.7531"),
        (9_999_999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (43.88, "43.88"),
        (float("nan"), "NaN"),
        (1e39, "Infinity"),
        (3.4028234663852886e38, "3.4028235E38"),
        (1e-46, "0.0"),
        (float("-inf"), "-Infinity"),
    ],
)
def test_floats_are_written_as_the_jvm_writes_them(number: float, text: str) -> None:
    assert tsv.float_text(number) == text


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_reads_back_as_the_same_single_precision_number(number: float) -> None:
    text = tsv.float_text(number)
    assert struct.pack(">f", float(text)) == struct.pack(">f", number)
    assert "." in text
