"""Cases of the enrichment specification: compressed messages that hold several payloads. The number starts the test's id."""

import base64
import gzip
import struct
from typing import Any

import pytest
import zstandard


def test_17_a_container_holds_several_payloads(process: Any, rig: Any) -> None:
    found = process(rig.packed(*(rig.record(f"e=pv&aid={number}") for number in range(3))))
    assert [event["app_id"] for event in found.good] == ["0", "1", "2"]


def test_18_a_payload_too_long_for_its_container_is_a_size_violation_and_the_rest_goes_on(build: Any, rig: Any) -> None:
    message = rig.packed(b"x" * 222, rig.record("e=pv"))
    found = rig.outcome(build(settings={"max_payload_bytes": 221}), message)
    assert found.kinds == ["size_violation"]
    assert found.bad[0]["data"]["failure"]["maximumAllowedSizeBytes"] == 221
    assert found.bad[0]["data"]["failure"]["actualSizeBytes"] == 222
    assert found.bad[0]["data"]["payload"] == base64.b64encode(message).decode()
    assert len(found.good) == 1


def test_a_compressed_message_that_breaks_off_keeps_what_came_before(process: Any, rig: Any) -> None:
    whole = rig.packed(rig.record("e=pv"), b"x" * 100_000)
    found = process(whole[: len(whole) - 20])
    assert len(found.good) == 1
    assert found.messages[0]["error"] == "corrupt compressed payload"


def test_another_container_version_is_named(process: Any, rig: Any) -> None:
    assert process(rig.packed(versions=b"\1\2")).messages[0]["error"] == "Unsupported versions in compressed record header: 1, 2"


def test_a_container_may_not_unfold_without_bound(build: Any, rig: Any) -> None:
    message = rig.packed(b"\0" * 5_000_000)
    assert len(message) < 10_000
    assert (
        rig.outcome(build(settings={"max_unpacked_bytes": 1_000_000}), message)
        .messages[0]["error"]
        .startswith("compressed payload")
    )


def test_garbage_that_starts_like_gzip_is_accounted_for(process: Any) -> None:
    assert process(gzip.compress(b"\1\1")[:2] + b"junk").kinds == ["collector_payload_format_violation"]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_both_packings_are_read_also_in_several_parts(process: Any, rig: Any, pack: Any) -> None:
    record = rig.record("e=pv")
    entry = struct.pack(">i", len(record)) + record
    assert len(process(pack(b"\1\1" + entry) + pack(entry * 2)).good) == 3


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_message_cut_between_two_payloads_is_noticed(process: Any, rig: Any, pack: Any) -> None:
    record = rig.record("e=pv")
    whole = pack(b"\1\1" + (struct.pack(">i", len(record)) + record) * 3)
    for end in range(3, len(whole)):
        assert process(whole[:end]).kinds == ["collector_payload_format_violation"]


def test_a_negative_length_is_corrupt(process: Any, rig: Any) -> None:
    assert process(gzip.compress(b"\1\1" + struct.pack(">i", -1))).messages[0]["error"] == "corrupt compressed payload"
