"""JSON values → what columns take. Case numbers are those of the loader's specification."""

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbone import jsontext
from backbone.schema_keywords import parse
from backbone.schema_types import Array, Decimal, Field, Scalar, Struct, event_field
from loader.casting import CastError, Encoding, compile_cast
from loader.instants import date_days, date_text, instant_micros, instant_text

PLAIN = Encoding(lambda micros: micros, lambda days: days, lambda value: format(value, "f"))
TEXT = {"type": "string"}


def cast(schema: dict[str, Any], text: str, required: bool = False) -> Any:
    """Casts `text`, the JSON of property `v`; the errors as (value, expected) when it does not fit."""
    keywords = parse({"type": "object", "properties": {"v": schema, "z": {}}, "required": ["v"] if required else []})
    assert keywords is not None
    field = event_field("c", keywords)
    assert field is not None
    data, _ = jsontext.loads(f'{{"v":{text}}}' if text else "{}")
    try:
        return compile_cast(field.type, PLAIN)(data).get("v")
    except CastError as error:
        return [(fault.value, fault.expected) for fault in error.faults]


INT32, DEC = (
    {"type": "integer", "minimum": 0, "maximum": 10},
    {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 500},
)
TIME, DATE = {"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}


# cases 52-62
@pytest.mark.parametrize(
    ("schema", "text", "expected"),
    [
        (INT32, "3.0", 3),
        (INT32, "3.4", [(3.4, "Integer")]),
        (INT32, "2147483648", [(2147483648, "Integer")]),
        (INT32, '"3"', [("3", "Integer")]),
        ({"type": "integer"}, "9223372036854775807", 2**63 - 1),
        ({"type": "integer"}, "9223372036854775808", [(2**63, "Long")]),
        ({"type": "integer"}, "1e2", 100),
        ({"type": "integer"}, "1e999999", [(float("inf"), "Long")]),
        ({"type": "integer"}, "true", [(True, "Long")]),
        (DEC, "87.98000", "87.98"),
        (DEC, "879", "879.00"),
        (DEC, "12.1234", [(12.1234, "Decimal(Digits9,2)")]),
        (DEC, "1000000000", [(1000000000, "Decimal(Digits9,2)")]),
        (DEC, "1e20", [(1e20, "Decimal(Digits9,2)")]),
        (DEC, "-0.0", "0.00"),
        (TEXT, "42", [(42, "String")]),
        ({}, '["this","is"]', '["this","is"]'),
        ({}, '"x"', '"x"'),
        ({}, "1.10", "1.10"),
        (TIME, '"2022-02-02T12:02:03.123+03:00"', 1643792523123000),
        (TIME, '"2022-02-02T12:02:03"', [("2022-02-02T12:02:03", "Timestamp")]),
        (TIME, '"2022-02-02T12:02:03.123456Z"', 1643803323123456),
        (DATE, '"2024-03-19"', 19801),
        (TIME, '"2024-03-19T20:20:39Z"', 1710879639000000),
        (DATE, '"2024-03-19T20:20:39Z"', [("2024-03-19T20:20:39Z", "Date")]),
        ({"type": "number"}, "1e400", [(float("inf"), "Double")]),
        ({"type": "number"}, "9" * 400, [(int("9" * 400), "Double")]),
        ({"type": "number"}, "5", 5.0),
        ({"type": "number"}, '"5"', [("5", "Double")]),
        ({"type": "boolean"}, "1", [(1, "Boolean")]),
        ({"type": "array", "items": {"type": ["string", "null"]}}, '["a",null,"b"]', ["a", "b"]),
        ({"type": "array", "items": TEXT}, '["a",null]', [(None, "String")]),
        ({"type": "array", "items": TEXT}, '"a"', [("a", "Array(String,Required)")]),
        ({"type": "array", "items": {"type": ["string", "integer"]}}, "[1,null]", ["1", "null"]),
        ({"type": "object", "properties": {"a": TEXT}}, '{"a":"x","more":1}', {"a": "x"}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_values_and_what_becomes_of_them(schema: Any, text: str, expected: Any) -> None:
    assert cast(schema, text) == expected


@pytest.mark.parametrize("text", ["", "null"], ids=["missing", "null"])
@pytest.mark.parametrize(
    ("schema", "required", "expected"),
    [(TEXT, True, [(None, "String")]), (TEXT, False, None), ({"type": ["string", "integer"]}, True, [(None, "Json")])],
    ids=["required", "optional", "required-json"],
)
def test_missing_and_null_are_the_same(schema: Any, text: str, required: bool, expected: Any) -> None:
    assert cast(schema, text, required) == expected


# case 18
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('{"xyz":42,"XYZ":"bad"}', 42),
        ('{"xyz":null,"XYZ":"bad"}', None),
        ('{"XYZ":7}', 7),
        ('{"xyz":"bad","XYZ":"worse"}', "error"),
        ("{}", None),
    ],
)
def test_of_several_accessors_the_first_that_fits_counts(data: str, expected: Any) -> None:
    kind = Struct((Field("xyz", Scalar("Integer"), True, ("XYZ", "xyz")),))
    try:
        found = compile_cast(kind, PLAIN)(jsontext.loads(data)[0]).get("xyz")
    except CastError:
        found = "error"
    assert found == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31 23:59:59.999999+00"),
        ("2024-02-29 12:30:15Z", "2024-02-29 12:30:15.000000+00"),
        ("2024-02-29t12:30:15z", "2024-02-29 12:30:15.000000+00"),
        ("2024-02-29T12:30Z", "2024-02-29 12:30:00.000000+00"),
        ("2024-02-29T12:30:15.Z", "2024-02-29 12:30:15.000000+00"),
        ("2024-02-29T12:30:15+02:00[Europe/Paris]", "2024-02-29 10:30:15.000000+00"),
        ("2024-02-29T24:00:00Z", "2024-03-01 00:00:00.000000+00"),
        ("2024-02-29T12:30:15.123456789-00:30", "2024-02-29 13:00:15.123456+00"),
        ("0000-01-01T00:00:00Z", "0000-01-01 00:00:00.000000+00"),
        ("-0044-03-15T00:00:00Z", "-0044-03-15 00:00:00.000000+00"),
        ("+12345-01-01T00:00:00Z", "12345-01-01 00:00:00.000000+00"),
        ("2023-02-29T12:30:15Z", None),
        ("2024-13-01T12:30:15Z", None),
        ("2024-01-01T25:00:00Z", None),
        ("2024-01-01T12:60:00Z", None),
        ("2024-01-01T12:00:00+24:00", None),
        ("2024-01-01T12:00:00", None),
        ("2024-01-01", None),
        ("+292278994-01-01T00:00:00Z", None),
        ("+999999999-01-01T00:00:00Z", None),
        ("２０２４-01-01T12:00:00Z", None),
        ("", None),
        ("x" * 24, None),
    ],
)
def test_date_times(text: str, expected: str | None) -> None:
    micros = instant_micros(text)
    assert (None if micros is None else instant_text(micros)) == expected


@given(st.datetimes(min_value=datetime.datetime(1, 1, 1)))
def test_any_date_time_is_read_and_written_exactly(moment: datetime.datetime) -> None:
    micros = (moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(microseconds=1)
    assert instant_micros(f"{moment.isoformat()}Z") == micros
    assert instant_text(micros) == f"{moment.isoformat(' ', 'microseconds')}+00"


@given(st.dates())
def test_any_date_is_read_and_written_exactly(day: datetime.date) -> None:
    days = (day - datetime.date(1970, 1, 1)).days
    assert date_days(day.isoformat()) == days
    assert date_text(days) == day.isoformat()


scalars = st.sampled_from(
    ["String", "Boolean", "Integer", "Long", "Double", "Date", "Timestamp", "Json"],
).map(lambda name: Scalar(name))  # type: ignore[arg-type]
decimals = st.tuples(st.sampled_from([9, 18, 38]), st.integers(0, 9)).map(lambda pair: Decimal(*pair))
types: st.SearchStrategy[Any] = st.recursive(
    scalars | decimals,
    lambda inner: (
        st.builds(Array, inner, st.booleans())
        | st.lists(st.tuples(inner, st.booleans()), min_size=1, max_size=4).map(
            lambda made: Struct(tuple(Field(f"f{at}", kind, null, (f"f{at}",)) for at, (kind, null) in enumerate(made)))
        )
    ),
    max_leaves=8,
)
texts = st.text() | st.sampled_from(["2024-02-29", "2024-02-29T12:30:15.5Z", "2024-02-29T12:30:15+02:00", "\ud800", "a\0b"])
numbers = (
    st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(["1.10", "1e400", "-0", "1e-400", "12.5"]).map(jsontext.LiteralNumber)
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["f0", "f1", "f2", "f3", "x"]), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(types, values)
def test_any_value_casts_or_is_an_error(kind: Any, value: Any) -> None:
    try:
        compile_cast(kind, PLAIN)(value)
        return
    except CastError as error:
        faults = error.faults
    assert faults
