import pytest

from backbone.selfdescribing import (
    InvalidIglu,
    SchemaKey,
    SchemaVer,
    SelfDescribing,
    from_value,
    parse_criterion,
    parse_key,
    parse_version,
)

URI = "iglu:com.acme/ad_click/jsonschema/1-0-0"


def test_an_iglu_uri_is_parsed() -> None:
    key = parse_key(URI)
    assert key == SchemaKey("com.acme", "ad_click", "jsonschema", SchemaVer(1, 0, 0))
    assert (key.uri, key.path, str(key)) == (URI, "com.acme/ad_click/jsonschema/1-0-0", URI)


@pytest.mark.parametrize(
    "version", ["0-0-0", "01-0-0", "1-00-0", "1-0", "1--0", "a-b-c", "1-0-0-0", "2147483648-0-0", "1-0-2147483648", "1-0-٣"]
)
def test_bad_versions_are_told_apart_from_bad_uris(version: str) -> None:
    with pytest.raises(InvalidIglu) as problem:
        parse_key(f"iglu:com.acme/x/jsonschema/{version}")
    assert problem.value.code == "INVALID_SCHEMAVER"


@pytest.mark.parametrize(
    "uri",
    [
        "iglooooooo://blah",
        "iglu:com.acme/na.me/jsonschema/1-0-0",
        "iglu:com.acme/x/json.schema/1-0-0",
        "iglu:com.acme/x/jsonschema",
        "iglu:/x/jsonschema/1-0-0",
        "iglu:com acme/x/jsonschema/1-0-0",
        URI + "\n",
        " " + URI,
        URI.replace("com.acme", "a" * 129),
        URI.replace("ad_click", "a" * 129),
        "",
    ],
)
def test_bad_uris(uri: str) -> None:
    with pytest.raises(InvalidIglu) as problem:
        parse_key(uri)
    assert problem.value.code == "INVALID_IGLUURI"


def test_parts_of_128_characters_are_the_limit() -> None:
    assert parse_key(URI.replace("com.acme", "a" * 128)).vendor == "a" * 128


def test_the_largest_version_is_a_32_bit_integer() -> None:
    assert parse_version("2147483647-2147483647-2147483647") == SchemaVer(*[2**31 - 1] * 3)


def test_versions_are_ordered_as_numbers() -> None:
    assert parse_version("1-0-10") > parse_version("1-0-9")


@pytest.mark.parametrize(
    "value", [None, [], "x", {}, {"schema": URI}, {"data": 1}, {"schema": 1, "data": {}}, {"schema": None, "data": {}}]
)
def test_what_lacks_schema_or_data_is_no_datum(value: object) -> None:
    with pytest.raises(InvalidIglu) as problem:
        from_value(value)
    assert problem.value.code == "INVALID_DATA_PAYLOAD"


@pytest.mark.parametrize("data", [None, 1, [], {}, "x"])
def test_any_data_and_extra_keys_are_accepted(data: object) -> None:
    datum = from_value({"schema": URI, "data": data, "extra": True})
    assert (datum.key, datum.data) == (parse_key(URI), data)


def test_a_bad_uri_in_a_datum_keeps_its_code() -> None:
    with pytest.raises(InvalidIglu) as problem:
        from_value({"schema": "iglu:com.acme/x/jsonschema/1-0", "data": {}})
    assert problem.value.code == "INVALID_SCHEMAVER"


def test_a_datum_prints_as_compact_json() -> None:
    datum = SelfDescribing(parse_key(URI), {"a": [1, "é"]})
    assert datum.text() == f'{{"schema":"{URI}","data":{{"a":[1,"é"]}}}}'
    assert datum.value() == {"schema": URI, "data": {"a": [1, "é"]}}


@pytest.mark.parametrize(
    ("pattern", "version", "matches"),
    [
        ("1-0-*", "1-0-5", True),
        ("1-0-*", "1-1-0", False),
        ("1-*-*", "1-7-3", True),
        ("*-*-*", "9-0-0", True),
        ("2-0-1", "2-0-0", False),
    ],
)
def test_criteria_compare_part_by_part(pattern: str, version: str, matches: bool) -> None:
    criterion = parse_criterion(f"iglu:com.acme/x/jsonschema/{pattern}")
    assert criterion.matches(parse_key(f"iglu:com.acme/x/jsonschema/{version}")) is matches
    assert str(criterion).endswith(pattern)
    assert not criterion.matches(parse_key(f"iglu:com.other/x/jsonschema/{version}"))


@pytest.mark.parametrize(
    "text",
    ["iglu:com.acme/x/jsonschema/0-0-0", "iglu:com.acme/x/jsonschema/1-?-?", f"iglu:com.acme/x/jsonschema/{'9' * 5000}-0-0"],
)
def test_bad_criteria(text: str) -> None:
    with pytest.raises(InvalidIglu):
        parse_criterion(text)
