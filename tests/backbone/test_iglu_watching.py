"""Schemas that change while the resolver runs, and those that supersede others."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from registry_doubles import Remote, failure, has, key, put, schema

from backbone.iglu import resolver as resolver_module
from backbone.iglu.failures import NOT_FOUND
from backbone.iglu.registries import FolderRegistry, Place
from backbone.iglu.resolver import Resolver


@pytest.fixture
def _watching_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "WATCH_SECONDS", 0.0)


@pytest.mark.usefixtures("_watching_always")
def test_a_changed_added_or_removed_file_takes_effect(tmp_path: Path) -> None:
    resolver = Resolver([FolderRegistry(Place("local"), tmp_path)])
    failure(resolver.lookup(key()))
    file = put(tmp_path, title="first")
    assert schema(resolver.lookup(key())).document["title"] == "first"
    put(tmp_path, title="second")
    assert schema(resolver.lookup(key())).document["title"] == "second"
    file.unlink()
    failure(resolver.lookup(key()))


def test_a_change_takes_effect_within_a_second(tmp_path: Path) -> None:
    put(tmp_path, title="first")
    resolver = Resolver([FolderRegistry(Place("local"), tmp_path)])
    resolver.lookup(key())
    put(tmp_path, title="second")
    time.sleep(1)
    assert schema(resolver.lookup(key())).document["title"] == "second"


@pytest.mark.usefixtures("_watching_always")
def test_a_file_added_to_an_earlier_folder_wins(tmp_path: Path) -> None:
    put(tmp_path / "b", title="b")
    folders = [FolderRegistry(Place(name, number), tmp_path / name) for number, name in enumerate("ab")]
    resolver = Resolver(folders)
    assert schema(resolver.lookup(key())).document["title"] == "b"
    put(tmp_path / "a", title="a")
    assert schema(resolver.lookup(key())).document["title"] == "a"


@pytest.mark.usefixtures("_watching_always")
def test_an_unchanged_file_keeps_the_schema_object(tmp_path: Path) -> None:
    file = put(tmp_path, title="x")
    resolver = Resolver([FolderRegistry(Place("local"), tmp_path)])
    first = resolver.lookup(key())
    os.utime(file)
    assert resolver.lookup(key()) is first


@pytest.mark.usefixtures("_watching_always")
def test_a_file_that_becomes_broken_leaves_the_last_good_schema(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = put(tmp_path, title="good")
    resolver = Resolver([FolderRegistry(Place("local"), tmp_path)])
    good = resolver.lookup(key())
    file.write_text("{")
    assert resolver.lookup(key()) is good
    assert "stays as it was" in caplog.text


@pytest.mark.usefixtures("_watching_always")
def test_a_file_being_written_makes_the_event_wait_and_a_broken_one_fails_it(tmp_path: Path) -> None:
    file = put(tmp_path)
    file.write_text("{")
    resolver = Resolver([FolderRegistry(Place("local"), tmp_path)])
    assert failure(resolver.lookup(key())).transient
    os.utime(file, (1, 1))
    assert not failure(resolver.lookup(key())).transient


@pytest.mark.usefixtures("_watching_always")
def test_a_version_that_supersedes_takes_effect_when_it_appears(tmp_path: Path) -> None:
    put(tmp_path, "1-0-0", title="old")
    resolver = Resolver([FolderRegistry(Place("local"), tmp_path)])
    assert schema(resolver.lookup(key())).key == key("1-0-0")
    put(tmp_path, "1-0-1", title="new", **{"$supersedes": ["1-0-0"]})
    answer = schema(resolver.lookup(key()))
    assert (answer.key, answer.asked_for, answer.document["title"]) == (key("1-0-1"), key("1-0-0"), "new")


def test_superseding_is_followed_once_in_the_same_registry() -> None:
    first = Remote("first", lambda key: {"$supersededBy": "1-0-1"} if key.version.addition == 0 else {"$supersededBy": "1-0-2"})
    answer = schema(Resolver([first, Remote("second", has("1-0-2"), 1)]).lookup(key()))
    assert (answer.key, answer.registry) == (key("1-0-1"), "first")
    assert first.asked == [key("1-0-0"), key("1-0-1")]


@pytest.mark.parametrize("successor", ["1-0-0", "0-0-1", "nonsense", 5, [], "1-0-7"])
def test_a_wrong_successor_is_a_client_failure(successor: Any) -> None:
    remote = Remote("r", lambda key: {"$supersededBy": successor} if key.version.addition == 1 else NOT_FOUND)
    attempts = failure(Resolver([remote]).lookup(key("1-0-1"))).lookup_history[0]
    assert attempts.errors[0].kind == "ClientFailure"
    assert not attempts.errors[0].transient
