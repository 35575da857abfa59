"""Configuration files: envelope, and values from the environment."""

import json
from pathlib import Path
from typing import Any

import pytest

from backbone.errors import ConfigurationError
from enricher.enrichments.configuration import read

HEAD = '{"schema": "iglu:com.acme/x/jsonschema/1-0-0", "data": {"enabled": true, "parameters": '


def parameters(folder: Path, text: str, **environment: str) -> Any:
    file = folder / "x.json"
    file.write_text(HEAD + text + "}}", encoding="utf-8")
    return read(file, environment).parameters


def test_envelope(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text("\ufeff" + HEAD + '{"a": [1, 2.5, null]}}}', encoding="utf-8")
    configuration = read(file, {})
    assert str(configuration.key) == "iglu:com.acme/x/jsonschema/1-0-0"
    assert (configuration.enabled, configuration.parameters) == (True, {"a": [1, 2.5, None]})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param('{"salt": ${SALT}}', {"salt": 'p"e\\p'}, id="required"),
        pytest.param('{"salt": ${?SALT}}', {"salt": 'p"e\\p'}, id="optional"),
        pytest.param('{"salt": ${? NONE }}', {}, id="optional, not set"),
        pytest.param('{"salt": "x", "salt": ${?NONE}}', {"salt": "x"}, id="default kept"),
        pytest.param('{"salt": "x", "salt": ${?SALT}}', {"salt": 'p"e\\p'}, id="default replaced"),
        pytest.param('{"salt": "${SALT} \\"${?SALT}"}', {"salt": '${SALT} "${?SALT}'}, id="text in quotes"),
    ],
)
def test_values_from_the_environment(tmp_path: Path, text: str, expected: dict[str, str]) -> None:
    assert parameters(tmp_path, text, SALT='p"e\\p') == expected


def test_every_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parameters(tmp_path, '{"a": ${A}, "b": ${B}, "c": ${?C}}')
    assert [fault.problem.split()[2] for fault in caught.value.faults] == ["A", "B"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        pytest.param(b"", "is not JSON", id="empty"),
        pytest.param(b"[" * 100_000, "is not JSON", id="too deep"),
        pytest.param(b"\xff", "cannot be read", id="not UTF-8"),
        pytest.param(b"[]", "must be one object", id="array"),
        pytest.param(b'{"schema": "iglu:com.acme/x/jsonschema/1-0-0"}', "must be one object", id="no data"),
        pytest.param(
            b'{"schema": "iglu:a/b/jsonschema/1-0-0", "data": {}, "x": 1}', "must be one object", id="something else in it"
        ),
        pytest.param(b'{"schema": "iglu:a/b/jsonschema/1-0-0", "data": []}', "must be one object", id="data is no object"),
        pytest.param(b'{"schema": "com.acme/x", "data": {}}', "is no iglu: address", id="no address"),
        pytest.param(b'{"schema": 7, "data": {}}', "is no iglu: address", id="address is no text"),
    ],
)
def test_an_unusable_file_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=problem) as caught:
        read(file, {})
    assert [fault.file for fault in caught.value.faults] == [str(file)]


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"x\.json: cannot be read"):
        read(tmp_path / "x.json", {})


def test_no_limit_is_reached_by_a_large_list_of_referers(tmp_path: Path) -> None:
    names = {f"s{number}": {"domains": [f"{number}.example"]} for number in range(50_000)}
    assert len(parameters(tmp_path, json.dumps(names))) == 50_000
