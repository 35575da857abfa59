"""Schemas for work that must not wait: what a registry says in time counts, and only so many questions are open."""

import threading

import pytest
from pipeline import eventually
from registry_doubles import DOWN, Remote, failure, has, key, schema

from backbone.errors import RegistryUnavailable
from backbone.iglu.registries import Answer
from backbone.iglu.resolver import Resolver
from backbone.selfdescribing import SchemaKey
from loader import schemas_at_hand
from loader.schemas_at_hand import SchemasAtHand


def test_what_a_registry_says_in_time_counts() -> None:
    remote = Remote("remote", has("1-0-0"))
    schemas = SchemasAtHand(Resolver([remote]))
    assert schema(schemas.lookup(key())).registry == "remote"
    assert not failure(schemas.lookup(key("1-0-1"))).transient
    schemas.lookup(key())
    assert remote.asked == [key(), key("1-0-1")]


def test_a_registry_that_is_down_is_a_failure_and_not_asked_again_at_once() -> None:
    remote = Remote("remote", lambda key: DOWN)
    schemas = SchemasAtHand(Resolver([remote]))
    assert failure(schemas.lookup(key())).transient
    assert failure(schemas.lookup(key())).transient
    assert len(remote.asked) == 1


def test_of_a_registry_that_hangs_only_so_much_is_asked_and_its_answers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schemas_at_hand, "_PATIENCE", 0.01)
    answers = threading.Event()

    def slow(key: SchemaKey) -> Answer:
        answers.wait(60)
        return {"title": str(key.version)}

    remote = Remote("slow", slow)
    schemas = SchemasAtHand(Resolver([remote]))
    for number in range(20):
        schemas.begin_batch()
        with pytest.raises(RegistryUnavailable):
            schemas.lookup(key(f"1-0-{number}"))
    assert len(remote.asked) <= 8
    answers.set()

    def answered() -> bool:
        try:
            return schema(schemas.lookup(key("1-0-0"))).document == {"title": "1-0-0"}
        except RegistryUnavailable:
            return False

    eventually(answered, 10, 0.01)
