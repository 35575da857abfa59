import threading
import time
from pathlib import Path

import pytest
from registry_doubles import DOWN, Remote, failure, has, key, put, schema

from backbone.errors import RegistryUnavailable
from backbone.iglu import resolver as resolver_module
from backbone.iglu.failures import MAX_ERRORS, NOT_FOUND, RegistryError
from backbone.iglu.registries import Answer, FolderRegistry, Place
from backbone.iglu.resolver import CachePolicy, Resolver, delay
from backbone.selfdescribing import SchemaKey


def test_a_remote_registry_whose_prefix_matches_comes_before_a_local_one_without(tmp_path: Path) -> None:
    put(tmp_path)
    remote = Remote("remote", has("1-0-0"), prefixes=("com.acme",))
    assert schema(Resolver([FolderRegistry(Place("local"), tmp_path), remote]).lookup(key())).registry == "remote"


def test_a_local_registry_comes_before_a_remote_one_whatever_their_priorities(tmp_path: Path) -> None:
    put(tmp_path)
    remote = Remote("remote", has("1-0-0"), priority=0)
    assert schema(Resolver([remote, FolderRegistry(Place("local", 5), tmp_path)]).lookup(key())).registry == "local"


def test_priority_decides_among_equals() -> None:
    registries = [Remote("second", has("1-0-0"), priority=2), Remote("first", has("1-0-0"), priority=1)]
    assert schema(Resolver(registries).lookup(key())).registry == "first"


def test_prefixes_are_plain_starts_of_the_vendor() -> None:
    registries = [Remote("low", has("1-0-0"), priority=0), Remote("prefixed", has("1-0-0"), priority=9, prefixes=("com.acme",))]
    assert schema(Resolver(registries).lookup(key(vendor="com.acmecorp"))).registry == "prefixed"
    assert schema(Resolver(registries).lookup(key(vendor="org.acme"))).registry == "low"


def test_errors_and_absence_fall_through_to_the_next() -> None:
    registries = [Remote("a", lambda key: DOWN, 0), Remote("b", has(), 1), Remote("c", has("1-0-0"), 2)]
    assert schema(Resolver(registries).lookup(key())).registry == "c"


def test_the_history_names_each_registry_and_its_errors() -> None:
    answer = failure(Resolver([Remote("Z", lambda key: DOWN, 0), Remote("A", has(), 1)]).lookup(key()))
    value = answer.value()
    times = [entry.pop("lastAttempt") for entry in value["lookupHistory"]]
    assert value == {
        "error": "ResolutionError",
        "lookupHistory": [
            {"repository": "A", "errors": [{"error": "NotFound"}], "attempts": 1},
            {
                "repository": "Z",
                "errors": [{"error": "RepoFailure", "message": "Unexpected server response: 500"}],
                "attempts": 1,
            },
        ],
    }
    assert all(text.endswith("Z") and len(text) == 24 for text in times)
    assert answer.transient


def test_absence_everywhere_is_not_transient() -> None:
    assert not failure(Resolver([Remote("a", has()), Remote("b", has())]).lookup(key())).transient


@pytest.mark.parametrize(
    "cache", [CachePolicy(500, 0), CachePolicy(0, 600), CachePolicy(-1, None)], ids=["ttl-0", "size-0", "size-negative"]
)
def test_without_a_cache_every_lookup_asks(cache: CachePolicy) -> None:
    remote = Remote("r", has("1-0-0"))
    resolver = Resolver([remote], cache)
    assert schema(resolver.lookup(key())) is schema(resolver.lookup(key()))
    assert len(remote.asked) == 2
    remote.answer = lambda key: DOWN
    assert failure(resolver.lookup(key())).lookup_history[0].attempts == 1
    assert failure(resolver.lookup(key())).lookup_history[0].attempts == 1
    remote.answer = has("1-0-0", type="string")
    assert schema(resolver.lookup(key())).document["type"] == "string"
    assert len(remote.asked) == 5


def test_a_found_schema_is_asked_for_once_and_stays_the_same_object() -> None:
    remote = Remote("r", has("1-0-0"))
    resolver = Resolver([remote])
    assert resolver.lookup(key()) is resolver.lookup(key())
    assert len(remote.asked) == 1


@pytest.mark.parametrize("trouble", [DOWN, NOT_FOUND], ids=["down", "gone"])
def test_an_expired_schema_is_kept_when_it_cannot_be_fetched_anew(trouble: RegistryError) -> None:
    remote = Remote("r", has("1-0-0"))
    resolver = Resolver([remote], CachePolicy(10, 0.05))
    first = schema(resolver.lookup(key()))
    remote.answer = lambda key: trouble
    time.sleep(0.06)
    assert resolver.lookup(key()) is first
    asked = len(remote.asked)
    assert resolver.lookup(key()) is first
    assert len(remote.asked) == asked == 2, "the old schema got another period"


def test_an_expired_schema_that_changed_is_replaced() -> None:
    remote = Remote("r", has("1-0-0"))
    resolver = Resolver([remote], CachePolicy(10, 0.05))
    resolver.lookup(key())
    remote.answer = has("1-0-0", type="string")
    time.sleep(0.06)
    assert schema(resolver.lookup(key())).document["type"] == "string"


def test_not_found_is_final_until_its_time_passed() -> None:
    remote = Remote("r", has())
    resolver = Resolver([remote], CachePolicy(10, 0.2))
    failure(resolver.lookup(key()))
    remote.answer = has("1-0-0")
    failure(resolver.lookup(key()))
    time.sleep(0.21)
    schema(resolver.lookup(key()))


def test_not_found_again_starts_a_new_history() -> None:
    resolver = Resolver([Remote("r", has())], CachePolicy(10, 0.01))
    resolver.lookup(key())
    time.sleep(0.02)
    assert failure(resolver.lookup(key())).lookup_history[0].attempts == 1


def test_errors_are_asked_again_after_a_delay_and_counted() -> None:
    remote = Remote("r", lambda key: DOWN)
    resolver = Resolver([remote])
    failure(resolver.lookup(key()))
    failure(resolver.lookup(key()))
    assert len(remote.asked) == 1, "too early"
    time.sleep(delay(1) + 0.01)
    remote.answer = lambda key: NOT_FOUND
    attempts = failure(resolver.lookup(key())).lookup_history[0]
    assert [error.kind for error in attempts.errors] == ["RepoFailure", "NotFound"]
    assert attempts.attempts == 2


def test_the_delay_after_errors_never_shrinks() -> None:
    delays = [delay(attempts) for attempts in range(1, 40)]
    assert delays == sorted(delays)
    assert delays[0] == 0.504
    assert delays[6] == 16.884
    assert delays[-1] == 60


def test_only_so_many_distinct_errors_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolver_module, "delay", lambda attempts: -1.0)
    texts = iter(range(1000))
    resolver = Resolver([Remote("r", lambda key: DOWN._replace(message=str(next(texts) // 2)))])
    for _ in range(100):
        attempts = failure(resolver.lookup(key())).lookup_history[0]
    assert [error.message for error in attempts.errors] == [str(number) for number in range(50 - MAX_ERRORS, 50)]
    assert attempts.attempts == 100


def test_concurrent_first_lookups_ask_once() -> None:
    def slowly(key: SchemaKey) -> Answer:
        time.sleep(0.1)
        return {}

    remote = Remote("r", slowly)
    resolver = Resolver([remote])
    answers: list[object] = []
    threads = [threading.Thread(target=lambda: answers.append(resolver.lookup(key()))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(remote.asked) == 1
    assert len(answers) == 50
    assert len(set(map(id, answers))) == 1


def test_the_cache_keeps_no_more_than_its_size_and_drops_the_least_used() -> None:
    remote = Remote("r", lambda key: {})
    resolver = Resolver([remote], CachePolicy(3))
    for version in ("1-0-0", "1-0-1", "1-0-2"):
        resolver.lookup(key(version))
    resolver.lookup(key("1-0-0"))
    resolver.lookup(key("1-0-3"))
    remote.asked.clear()
    resolver.lookup(key("1-0-0"))
    assert remote.asked == []
    resolver.lookup(key("1-0-1"))
    assert remote.asked == [key("1-0-1")]


def test_the_family_in_folders_is_listed_across_gaps(tmp_path: Path) -> None:
    for version in ("1-0-0", "1-0-2", "1-1-0", "2-0-0"):
        put(tmp_path / "a", version)
    put(tmp_path / "b", "1-0-10")
    resolver = Resolver([FolderRegistry(Place(name), tmp_path / name) for name in "ab"])
    assert [str(known.version) for known in resolver.family("com.acme", "thing", 1)] == ["1-0-0", "1-0-2", "1-0-10", "1-1-0"]
    assert resolver.family("com.acme", "other", 1) == []


def test_the_family_behind_http_is_probed() -> None:
    remote = Remote("r", has("1-0-0", "1-0-1", "1-1-0", "1-1-1", "2-0-0", "1-3-0"))
    family = Resolver([remote]).family("com.acme", "thing", 1)
    assert [str(known.version) for known in family] == ["1-0-0", "1-0-1", "1-1-0", "1-1-1"]
    assert [str(known.version) for known in remote.asked] == ["1-0-0", "1-0-1", "1-0-2", "1-1-0", "1-1-1", "1-1-2", "1-2-0"]


def test_a_family_that_cannot_be_listed_now_is_not_taken_for_a_short_one() -> None:
    remote = Remote("r", lambda key: {} if key.version.addition == 0 else DOWN)
    with pytest.raises(RegistryUnavailable):
        Resolver([remote]).family("com.acme", "thing", 1)


def test_probing_an_endless_family_ends() -> None:
    assert 1_000 <= len(Resolver([Remote("r", lambda key: {})]).family("com.acme", "thing", 1)) <= 1_001


def test_closing_closes_the_registries() -> None:
    remote = Remote("r", has("1-0-0"))
    resolver = Resolver([remote])
    resolver.close()
    failure(resolver.lookup(key()))


def test_what_is_at_hand_asks_no_server(tmp_path: Path) -> None:
    remote = Remote("remote", has("1-0-0"))
    resolver = Resolver([remote, FolderRegistry(Place("local"), tmp_path)])
    assert resolver.at_hand(key()) is None
    assert not remote.asked
    found = resolver.lookup(key())
    assert resolver.at_hand(key()) is found
    put(tmp_path, "1-0-1")
    assert schema(resolver.at_hand(key("1-0-1"))).registry == "local"


def test_a_schema_past_its_time_to_live_is_still_at_hand_and_an_absence_is_not() -> None:
    remote = Remote("remote", has("1-0-0"))
    resolver = Resolver([remote], CachePolicy(10, 0.01))
    found = resolver.lookup(key())
    failure(resolver.lookup(key("1-0-1")))
    failure(resolver.at_hand(key("1-0-1")))
    time.sleep(0.02)
    assert resolver.at_hand(key()) is found
    assert resolver.at_hand(key("1-0-1")) is None


def test_what_a_server_is_being_asked_is_not_at_hand() -> None:
    asked, answers = threading.Event(), threading.Event()

    def slow(key: SchemaKey) -> Answer:
        asked.set()
        answers.wait(10)
        return {"title": "late"}

    resolver = Resolver([Remote("slow", slow)])
    asking = threading.Thread(target=resolver.lookup, args=(key(),))
    asking.start()
    asked.wait(10)
    assert resolver.at_hand(key()) is None
    answers.set()
    asking.join()
    assert schema(resolver.at_hand(key())).document == {"title": "late"}
