"""What becomes of values that producers send: accepted, or refused with the reason that comes first in the list."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from streams.contract import (
    Block,
    Contract,
    Incoming,
    Limits,
    Names,
    Reason,
    Result,
    decode_block,
    partition_of,
    profile_id_of,
)
from streams.contract.columns import Columns
from streams.contract.frames import opened
from streams.contract.persons import Persons
from streams.contract.times import parse_time

#: Golden: a person's partition never changes while the count stays.
PARTITIONS = [0, 3, 3]
RECORD_MS = 1_790_000_000_000
GOOD = {
    "type": "track",
    "event": "Product Viewed",
    "userId": "ann",
    "messageId": "m1",
    "timestamp": "2026-01-02T03:04:05.678Z",
}


def applied(*values: bytes | dict[str, object]) -> Result:
    raw = [value if isinstance(value, bytes) else json.dumps(value).encode() for value in values]
    contract = Contract(1, Limits(), 600_000_000)
    return contract.apply(raw, [RECORD_MS] * len(raw), lambda i: Incoming("events", 0, i, b"k", [("h", b"v")]))


def block_of(*values: bytes | dict[str, object]) -> Block:
    result = applied(*values)
    assert result.dead_letters == []
    return decode_block(result.blocks[0][1])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b'{"type":"track","a":"' + b"x" * 1_000_001 + b'"}', Reason.TOO_LARGE),
        (b'{"type":"track","userId":"a","event":"\xff"}', Reason.INVALID_UTF8),
        (b'{"type":"track"', Reason.MALFORMED_JSON),
        (b"", Reason.MALFORMED_JSON),
        (b"[" * 100_000, Reason.TOO_DEEP),
        (b'{"a":' * 40 + b"1" + b"}" * 40, Reason.TOO_DEEP),
        (b'"text"', Reason.NOT_AN_OBJECT),
        (b"[1]", Reason.NOT_AN_OBJECT),
        (GOOD | {"type": "click"}, Reason.UNSUPPORTED_TYPE),
        (GOOD | {"type": 3}, Reason.UNSUPPORTED_TYPE),
        (GOOD | {"timestamp": 10**400}, Reason.INVALID_TIMESTAMP),
        (GOOD | {"userId": None}, Reason.MISSING_IDENTITY),
        (GOOD | {"userId": "u" * 513}, Reason.MISSING_IDENTITY),
        (GOOD | {"type": "group", "groupId": "g" * 513}, Reason.MISSING_GROUP_ID),
        (GOOD | {"type": "alias", "previousId": "p" * 513}, Reason.MISSING_PREVIOUS_ID),
        (b"[" + b"1," * 1_000 + b"1]", Reason.TOO_LARGE),
        ({"batch": [GOOD] * 1_001}, Reason.TOO_LARGE),
        ({"batch": [GOOD] * 100, "context": {"a": "x" * 200_000}}, Reason.TOO_LARGE),
        (GOOD | {"userId": "undefined", "anonymousId": "[object Object]"}, Reason.MISSING_IDENTITY),
        (GOOD | {"userId": "a\0b"}, Reason.MISSING_IDENTITY),
        (GOOD | {"event": ["x"]}, Reason.MISSING_EVENT),
        (GOOD | {"type": "group"}, Reason.MISSING_GROUP_ID),
        (GOOD | {"type": "alias"}, Reason.MISSING_PREVIOUS_ID),
        (GOOD | {"timestamp": "yesterday"}, Reason.INVALID_TIMESTAMP),
        (GOOD | {"timestamp": "1931-01-01T00:00:00Z"}, Reason.INVALID_TIMESTAMP),
        (GOOD | {"properties": {str(i): i for i in range(1_001)}}, Reason.TOO_MANY_PROPERTIES),
        (GOOD | {"properties": {"price": float("nan")}}, Reason.NOT_FINITE),
        (GOOD | {"properties": {"price": float("inf")}}, Reason.NOT_FINITE),
        (b'{"type":"track","event":"x","userId":"a","properties":{"price":1e999}}', Reason.NOT_FINITE),
        (b'{"type":"track","event":"x","userId":"a","properties":{"unknown":[1e999]}}', Reason.NOT_FINITE),
    ],
)
def test_a_bad_value_is_refused_and_its_neighbours_are_not(value: bytes | dict[str, object], reason: Reason) -> None:
    result = applied(GOOD, value, GOOD | {"userId": "bo", "messageId": "m2"})

    assert [letter.reason for letter in result.dead_letters] == [reason.value]
    assert result.accepted == 2
    letter = result.dead_letters[0]
    assert letter.value == (value if isinstance(value, bytes) else json.dumps(value).encode())
    assert dict(letter.record_headers())["dlq_offset"] == b"1"
    assert dict(letter.record_headers())["h"] == b"v"


def test_ids_that_are_too_long_are_not_remembered() -> None:
    persons = Persons(1, 512)
    long = [f"{number}{'x' * 600}" for number in range(5)]
    names = Names.of(pa.array(long, pa.utf8()).dictionary_encode())
    users = Names.of(pa.array([f"u{number}" for number in range(5)], pa.utf8()).dictionary_encode())

    assert persons.resolve_many(names, Names.nothing(5)).partitions.tolist() == [-1] * 5
    assert persons.resolve_many(users, names).partitions.tolist() == [0] * 5
    assert (len(persons._users), len(persons._anonymous), len(persons._beside)) == (5, 0, 0)


def test_batches_and_arrays_are_unpacked_and_the_outer_context_is_merged_in() -> None:
    inner = {key: value for key, value in GOOD.items() if key != "messageId"}
    block = block_of(
        {"batch": [inner, inner | {"context": {"device": {"type": "tv"}}}], "context": {"device": {"type": "car"}}},
        json.dumps([inner]).encode(),
    )

    assert len(block) == 3
    assert [block.device.values[int(code)].as_py() if code >= 0 else None for code in block.device.codes] == [
        "car",
        "tv",
        None,
    ]
    assert len(set(block.message_hash.tolist())) == 3  # topic:partition:offset:index


def test_what_real_payloads_do_is_survived() -> None:
    block = block_of(
        GOOD | {"userId": 42, "event": "viewed product", "properties": {"price": "12.50", "product_id": 7}},
        GOOD | {"userId": "", "anonymousId": "x", "type": "PAGE", "context": None, "properties": None},
        b'{"type":"identify","type":"track","event":"e","userId":"last wins"}',
        GOOD | {"userId": "half \ud83d character"},
    )

    people = block.person.values.take(block.person.codes).to_pylist()
    assert people[:3] == ["42", "anon:x", "last wins"]
    assert block.event.values.take(block.event.codes).to_pylist()[:2] == ["Product Viewed", "page"]
    assert block.price[0] == 12.5
    assert np.isnan(block.price[1])


def test_clocks_of_devices_are_corrected_and_the_future_is_clamped() -> None:
    block = block_of(
        GOOD | {"sentAt": "2026-01-02T03:04:06Z"},
        GOOD | {"sentAt": "2026-01-02T03:04:06Z", "originalTimestamp": "2026-01-01T00:00:00Z"},
        GOOD | {"timestamp": "2030-01-01T00:00:00Z"},
        {key: value for key, value in GOOD.items() if key != "timestamp"},
    )

    assert block.at_us[0] == RECORD_MS * 1000 - 322_000
    assert block.at_us[1] == parse_time(GOOD["timestamp"])
    assert block.at_us[2] == block.at_us[3] == RECORD_MS * 1000
    assert block.clamped.tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    "text",
    ["2026-11-23T10:20:30Z", "2026-11-23T10:20:30.000+00:00", "20261123T102030Z", "2026-W48-1T10:20:30Z",
     "2026-327T10:20:30Z",
     "2026-11-23 12:20:30+02:00", "2026-11-23T10:20:30", 1_795_429_230, 1_795_429_230_000, "1795429230000000"],
)  # fmt: skip
def test_one_moment_in_many_shapes(text: object) -> None:
    assert parse_time(text) == 1_795_429_230_000_000


def test_people_have_fixed_names_and_partitions() -> None:
    assert profile_id_of(42, "x") == "42"
    assert profile_id_of("null", "x") == "anon:x"
    assert profile_id_of(True, None) == ""
    assert [partition_of(name, 4) for name in ("ann", "bo", "陈")] == PARTITIONS


def test_a_batch_says_what_its_events_say_one_by_one() -> None:
    events = [
        GOOD
        | {
            "userId": f"u{i % 7}",
            "messageId": f"m{i}",
            "event": ("Product Viewed", "viewed product", "Search")[i % 3],
            "properties": {
                "product_id": f"p{i % 11}",
                "name": f"title {i % 11}",
                "category": f"c{i % 5}",
                "price": i / 4,
            },
            "context": {"device": {"type": ("mobile", "tv")[i % 2]}, "traits": {"plan": f"t{i % 3}"}},
        }
        | ({"traits": {"plan": "own"}} if i % 50 == 0 else {})
        | ({"timestamp": "never"} if i % 400 == 399 else {})
        for i in range(2_500)
    ]
    whole = applied(*events)
    one_by_one = [applied(event) for event in events]

    assert whole.accepted == sum(result.accepted for result in one_by_one) == 2_494
    assert len(whole.dead_letters) == 6
    together, alone = (
        [row for result in results for _, block in result.blocks for row in rows_of(decode_block(block))]
        for results in ([whole], one_by_one)
    )
    assert together == alone


def rows_of(block: Block) -> list[tuple[object, ...]]:
    columns = [
        [names.values[int(code)].as_py() if code >= 0 else None for code in names.codes]
        for names in (block.person, block.event, block.device, block.traits)
    ]
    categories = [block.categories.values[int(code)].as_py() for code in block.categories.codes]
    lists = [categories[a:b] for a, b in zip(block.category_offsets, block.category_offsets[1:], strict=False)]
    contents = [
        block.contents[a:b].tolist() for a, b in zip(block.content_offsets, block.content_offsets[1:], strict=False)
    ]
    numbers = [block.at_us.tolist(), block.message_hash.tolist(), block.price.tolist()]
    return list(zip(*columns, lists, contents, *numbers, strict=True))


def people_of(*values: dict[str, object]) -> list[tuple[str, str | None]]:
    block = block_of(*values)
    names = [*block.anonymous.values.to_pylist(), None]
    return [
        (block.person.values[p].as_py(), names[a])
        for p, a in zip(block.person.codes, block.anonymous.codes, strict=True)
    ]


def test_both_ids_are_carried_only_where_there_are_both() -> None:
    given = [
        {"userId": "ann", "anonymousId": " a "}, {"userId": "ann"}, {"userId": None, "anonymousId": "a"},
        {"userId": "null", "anonymousId": "a"}, {"userId": "ann", "anonymousId": "null"},
        {"userId": "ann", "anonymousId": "a\u0000"}, {"userId": "ann", "anonymousId": "x" * 600},
        {"userId": "anon:a", "anonymousId": "b"}, {"userId": "bo", "anonymousId": 7},
    ]  # fmt: skip

    assert people_of(*(GOOD | ids for ids in given)) == [
        ("ann", "a"), ("ann", None), ("anon:a", None), ("anon:a", None), ("ann", "null"), ("ann", None), ("ann", None),
        ("anon:a", None), ("bo", "7"),
    ]  # fmt: skip


def test_an_empty_id_beside_a_user_is_none_whatever_else_there_is() -> None:
    beside = [("ann", "a"), ("bo", ""), ("bo", "b"), ("anon:c", "d"), ("ann", "a")]
    expected = [("ann", "a"), ("bo", None), ("bo", "b"), ("anon:c", None), ("ann", "a")]

    assert people_of(*(GOOD | {"userId": user, "anonymousId": one} for user, one in beside)) == expected
    clean = [GOOD | {"userId": "ann", "anonymousId": "a"}, GOOD | {"userId": "bo"}]
    assert people_of(*clean) == [("ann", "a"), ("bo", None)]


def test_an_alias_carries_the_previous_id() -> None:
    assert people_of({"type": "alias", "userId": "ann", "previousId": "a", "anonymousId": "b"}) == [("ann", "a")]


def test_a_block_without_both_ids_has_no_column_for_them() -> None:
    def names(*values: dict[str, object]) -> list[str]:
        return pa.ipc.open_stream(opened(applied(*values).blocks[0][1])).schema.names

    assert "anonymous" not in names(GOOD, GOOD | {"userId": None, "anonymousId": "a"})
    assert names(GOOD | {"anonymousId": "a"})[-1] == "anonymous"


def test_events_of_a_block_can_be_sent_on_as_somebody_elses() -> None:
    block = block_of(
        GOOD | {"properties": {"category": "a", "price": 2.5}, "messageId": "1"},
        GOOD | {"properties": {"categories": ["b", "c"], "product_id": "p"}, "messageId": "2"},
        GOOD | {"userId": None, "anonymousId": "x", "context": {"traits": {"plan": "pro"}}, "messageId": "3"},
    )
    rows = np.array([1, 2])
    bo = Names(np.zeros(3, np.int32), pa.array(["bo"]))

    (again,) = map(decode_block, Columns.renamed(block, bo, block.person).blocks(rows, 5))

    assert (len(again), again.read_at_us) == (2, 5)
    assert again.person.values.to_pylist() == ["bo"]
    assert again.anonymous.values.take(again.anonymous.codes).to_pylist() == ["ann", "anon:x"]
    assert again.message_hash.tolist() == block.message_hash[rows].tolist()
    assert again.categories.values.to_pylist() == ["b", "c"]
    assert again.contents.tolist() == block.contents[-1:].tolist()
    assert again.traits.values.to_pylist() == block.traits.values.to_pylist()


@pytest.mark.parametrize("wrong", ["[object Object]", "", "{", '{"device":', 3, None, ["a"], "null"])
@pytest.mark.parametrize("field", ["context", "traits", "properties"])
def test_a_part_that_is_no_object_counts_as_absent(field: str, wrong: object) -> None:
    block = block_of(GOOD, GOOD | {"messageId": "m2", field: wrong})

    assert len(block) == 2
    assert block.device.codes.tolist() == [-1, -1]


def test_an_object_where_a_text_should_be_does_not_hurt_its_neighbours() -> None:
    escaped = GOOD | {"messageId": "m2", "event": 'Product "Viewed"'}
    result = applied(GOOD, escaped, GOOD | {"messageId": "m3", "event": {"a": "\\"}})

    assert [letter.reason for letter in result.dead_letters] == ["missing_event"]
    assert result.accepted == 2
