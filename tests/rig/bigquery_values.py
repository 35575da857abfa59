"""Types and values of the stand-in for BigQuery: as streams bring them, as DuckDB keeps them, as REST sends them."""

import base64
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DUCK = {
    "STRING": "VARCHAR",
    "INT64": "BIGINT",
    "INTEGER": "BIGINT",
    "FLOAT64": "DOUBLE",
    "FLOAT": "DOUBLE",
    "BOOL": "BOOLEAN",
    "BOOLEAN": "BOOLEAN",
    "TIMESTAMP": "TIMESTAMPTZ",
    "DATE": "DATE",
    "NUMERIC": "DECIMAL(38,9)",
    "BIGNUMERIC": "DECIMAL(38,18)",
    "JSON": "JSON",
}
_BACK = {
    "BIGINT": "INTEGER",
    "INTEGER": "INTEGER",
    "SMALLINT": "INTEGER",
    "HUGEINT": "INTEGER",
    "DOUBLE": "FLOAT",
    "FLOAT": "FLOAT",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "TIME": "TIME",
    "TIMESTAMP": "DATETIME",
    "TIMESTAMP WITH TIME ZONE": "TIMESTAMP",
    "BLOB": "BYTES",
    "JSON": "JSON",
}
Field = dict[str, Any]


def columns(fields: Iterable[Field]) -> str:
    """For CREATE TABLE."""
    return ", ".join(f'"{field["name"]}" {duck_type(field)}' for field in fields)


def duck_type(field: Field) -> str:
    if field["type"] in ("RECORD", "STRUCT"):
        kind = f"STRUCT({columns(field['fields'])})"
    else:
        kind = _DUCK[field["type"]]
    return f"{kind}[]" if field.get("mode") == "REPEATED" else kind


def as_json(row: dict[str, Any], fields: Iterable[Field]) -> dict[str, Any]:
    """A row of a stream (timestamps in microseconds, dates in days, decimals and JSON as text) as DuckDB reads it."""
    return {field["name"]: _as_json(row[field["name"]], field) for field in fields if row.get(field["name"]) is not None}


def _as_json(value: Any, field: Field) -> Any:
    if type(value) is list:
        return [_as_json(item, field) for item in value]
    if field["type"] in ("RECORD", "STRUCT"):
        return as_json(value, field["fields"])
    if field["type"] == "TIMESTAMP":
        return (_EPOCH + timedelta(microseconds=value)).isoformat()
    return (date(1970, 1, 1) + timedelta(value)).isoformat() if field["type"] == "DATE" else value


def field_of(name: str, kind: Any) -> Field:
    """A column of a result, as BigQuery describes it; `kind` as DuckDB does."""
    if kind.id in ("list", "array"):
        return {**field_of(name, kind.children[0][1]), "mode": "REPEATED"}
    if kind.id == "struct":
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": [field_of(*inner) for inner in kind.children]}
    spelled = str(kind)
    if spelled.startswith("DECIMAL"):
        said = "NUMERIC" if int(spelled[:-1].split(",")[1]) <= 9 else "BIGNUMERIC"
    else:
        said = _BACK.get(spelled, "STRING")
    return {"name": name, "type": said, "mode": "NULLABLE"}


def cell(value: Any, field: Field) -> Any:
    """As the REST interface sends it; BigQuery knows no list that is null."""
    if field["mode"] == "REPEATED":
        one = {**field, "mode": "NULLABLE"}
        return [{"v": cell(item, one)} for item in value or ()]
    if value is None:
        return None
    if field["type"] == "RECORD":
        return {"f": [{"v": cell(value[inner["name"]], inner)} for inner in field["fields"]]}
    if field["type"] == "TIMESTAMP":
        return str((value - _EPOCH) // timedelta(microseconds=1))
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value)


def parameter(one: Any) -> Any:
    """A query's parameter, as a Python value."""
    kind, value = one["parameterType"], one["parameterValue"]
    if kind["type"] == "ARRAY":
        return [_scalar(kind["arrayType"]["type"], item["value"]) for item in value.get("arrayValues", ())]
    return _scalar(kind["type"], value.get("value"))


def _scalar(kind: str, text: str | None) -> Any:
    if text is None:
        return None
    if kind == "TIMESTAMP":
        made = datetime.fromisoformat(text)
        return made if made.tzinfo else made.replace(tzinfo=UTC)
    convert: Any = {"INT64": int, "FLOAT64": float, "BOOL": lambda said: said == "true", "DATE": date.fromisoformat}.get(
        kind, str
    )
    return convert(text)
