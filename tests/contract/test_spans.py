"""The fast road through a batch says of every value what the slow one says of it alone."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest
import xxhash
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.contract import Contract, Incoming, Limits, decode_block, profile_id_of
from streams.contract.block import Block, Names
from streams.contract.event import Event, Properties
from streams.contract.fields import Field
from streams.contract.spans import Spans
from streams.contract.spec import canonical_event
from streams.contract.times import INVALID, MISSING, parse_time
from streams.contract.tolerant import Refused, unpack

RECORD_MS = 1_790_000_000_000
BREAKAGES = [b"", b'"', b"\\", b"}", b"0", b"e9", b"\xff", b"\x01", b","]
LIMITS = Limits(max_event_bytes=2_000, max_depth=6, max_properties=8)

texts = st.text(max_size=8) | st.sampled_from(
    ["", "null", 'a"b', "back\\slash", "标题", "\U0001f600", "\ud83d", "\x00", "7"]
)
numbers = st.integers() | st.floats() | st.sampled_from([0, -0.0, 12.5, 1e22, 123456789012345678, 1e-7, 5e-324])
scalars = st.none() | st.booleans() | texts | numbers
trees = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)
moments = st.sampled_from(
    [
        "2026-01-02T03:04:05.678Z",
        "2026-01-02",
        "2026-01-02T03:04:05\n",
        1_790_000_000,
        "1790000000000",
        1.79e15,
        "never",
        None,
    ]
)


def mapping(keys: list[str], values: st.SearchStrategy[object]) -> st.SearchStrategy[dict[str, object]]:
    return st.dictionaries(st.sampled_from(keys), values, max_size=6)


properties = mapping(
    ["product_id", "sku", "name", "title", "category", "categories", "price", "quantity", "revenue", "total",
     "currency", "products", "text", "query", "brand", "url", "other", "n\u00e4me"],
    scalars | st.lists(texts, max_size=3) | st.lists(mapping(["product_id", "category", "price"], scalars), max_size=2),
)  # fmt: skip
events = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "track", "page", "identify", "Track ", "alias", "group", "click", 3])},
    optional={
        "event": texts | scalars,
        "userId": texts | scalars,
        "anonymousId": texts | scalars,
        "messageId": texts | scalars,
        "timestamp": moments | scalars,
        "originalTimestamp": moments,
        "sentAt": moments,
        "receivedAt": moments,
        "properties": properties | trees,
        "context": trees | st.just({"device": {"type": "tv"}, "location": {"country": "DE"}, "traits": {"plan": "x"}}),
        "traits": trees,
        "channel": scalars,
        "groupId": texts,
        "previousId": texts,
        "batch": st.lists(st.none() | st.just({"type": "page"}), max_size=2) | st.none(),
        "unknown": trees,
    },
)


@st.composite
def written(draw: st.DrawFn) -> bytes:
    """An event as some producer might write it, perhaps broken on the way."""
    text = json.dumps(
        draw(events),
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t: ")])),
    )
    value = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(value) - 1))
        value[at : at + draw(st.integers(0, 2))] = draw(st.sampled_from(BREAKAGES))
        if not value:
            value = bytearray(b" ")
    return bytes(value)


@settings(max_examples=300)
@given(st.lists(written(), min_size=1, max_size=5))
@example([b'{"type":"track","event":"e","userId":"u","userId":"last wins"}'])
@example([b'{"type":"page","userId":-0}'])
@example([b'{"type":"page","userId":"u","channel":"","properties":{"currency":""}}'])
@example([b'{"type":"page","userId":"u","timestamp":5e-324,"properties":{"price":1e300,"sku":' + b"7" * 250 + b"}}"])
@example([b'{"type":"page","userId":"u","properties":{"price":' + b"9" * 190 + b"e99}}"])
@example([b'{"type":"page","userId":"u","properties":{"price":' + b"9" * 250 + b"e99}}"])
@example([b'{"type":"page","userId":"\\u0061b"} ', b'{"type":"page","userId":"ab"}'])
@example([b'{"type":"page","userId":"u","messageId":"2026","timestamp":"2026-01-01T00:00:00\\u005a"}'])
@example([b'{"type":"page","userId":"u"} {}', b'{"type":"page","userId":"u",}', b'{"type":"page","userId":01}'])
def test_a_batch_is_read_as_its_values_are_one_by_one(values: list[bytes]) -> None:
    contract = Contract(1, LIMITS, 600_000_000)
    result = contract.apply(values, [RECORD_MS] * len(values), lambda i: Incoming("events", 0, i, None, []))

    accepted, refused = [], []
    for i, value in enumerate(values):
        for index, found in enumerate(unpack(value, LIMITS)):
            if isinstance(found, Refused):
                refused.append((i, index, found.reason.value))
                continue
            row = expected(found, f"events:0:{i}:{index}")
            if row[1] == INVALID:
                refused.append((i, index, "invalid_timestamp"))
            else:
                accepted.append(row)
    assert [(letter.offset, letter.index, letter.reason) for letter in result.dead_letters] == sorted(refused)
    blocks = [decode_block(block) for _, block in result.blocks]
    assert [row for block in blocks for row in rows(block)] == accepted


def expected(event: Event, place: str) -> tuple[object, ...]:
    """What a block says of an event, worked out one field after the other."""
    p = event.properties or Properties()
    given = place if event.message_id in {None, ""} else event.message_id
    times = [parse_time(t) for t in (event.timestamp, event.original_timestamp, event.sent_at, event.received_at)]
    timestamp, original, sent, received = times
    at = timestamp if timestamp != MISSING else original
    if MISSING not in (sent, at) and MISSING in (timestamp, original):
        arrived = RECORD_MS * 1000 if received == MISSING else received
        at = INVALID if INVALID in (at, sent, arrived) else arrived - (sent - at)
    elif at == MISSING:
        at = RECORD_MS * 1000
    if at > RECORD_MS * 1000 + 600_000_000:
        at = RECORD_MS * 1000
    if at < 0:
        at = INVALID
    categories = [*(p.category if isinstance(p.category, list) else [p.category]), *(p.categories or [])]
    categories += [product.category for product in p.products or []]
    return (
        profile_id_of(event.user_id, event.anonymous_id),
        at,
        xxhash.xxh3_64_intdigest(str(given).encode()),
        canonical_event(event.event or "") if event.type == "track" else event.type,
        list(dict.fromkeys(name.strip() for name in categories if name and name.strip())),
        number(p.price),
        number(p.quantity),
        number(p.total if p.revenue is None else p.revenue),
        p.currency,
        event.channel,
    )


def number(value: float | None) -> float | None:
    return None if value is None else float(value)


def rows(block: Block) -> list[tuple[object, ...]]:
    """The same of each row of a block."""
    categories = said(block.categories)
    bounds = block.category_offsets.tolist()
    price, quantity, revenue = (
        [None if math.isnan(value) else value for value in column.tolist()]
        for column in (block.price, block.quantity, block.revenue)
    )
    return list(
        zip(
            said(block.person),
            block.at_us.tolist(),
            block.message_hash.tolist(),
            said(block.event),
            [categories[a:b] for a, b in itertools.pairwise(bounds)],
            price,
            quantity,
            revenue,
            said(block.currency),
            said(block.channel),
            strict=True,
        )
    )


def said(names: Names) -> list[str | None]:
    values = names.values.to_pylist()
    return [values[code] if code >= 0 else None for code in names.codes.tolist()]


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (b'{"type":"page"}', True),
        (rb'{"type":"page","a":"\ud83d\ude00"}', True),
        (rb'{"type":"page","a":"\ud83d"}', False),
        (rb'{"type":"page","a":"\x41"}', False),
        (rb'{"ty\u0070e":"page"}', False),
        (b'{"type":"page","a":1e99,"b":-12.5E+7,"c":[true,false,null,{}]}', True),
        (b'{"type":"page","a":1e999}', False),
        (b'{"type":"page","a":NaN}', False),
        (b'{"type":"page","a":.5}', False),
        (b'{"type":"page","a":"\x1f"}', False),
        (b'{"type":"page","a":[[[[[1]]]]]}', True),
        (b'{"type":"page","a":[[[[[[1]]]]]]}', False),
        (b'{"type":"page","a":"' + b"[" * 100 + b'"}', True),
        (b'{"type":"page","a":"' + b"x" * 2_000 + b'"}', False),
        (b'{"type":"page","a":"\xed\xa0\x80"}', False),
        (b'{"type":"page","a":"\xf0\x9f\x98\x80"}', True),
        (b'{"type":"track"}', False),
        (b"", False),
        (b"[]", False),
    ],
)
def test_what_is_plain(value: bytes, *, plain: bool) -> None:
    neighbour = b'{"type":"page"}'

    assert Spans([neighbour, value, neighbour], LIMITS).plain.tolist() == [True, plain, True]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**40), 10**40), min_size=1))
def test_numbers_are_the_nearest_doubles(written: list[float]) -> None:
    values = [json.dumps({"type": "page", "properties": {"price": number}}).encode() for number in written]
    spans = Spans(values, LIMITS)

    expected = [float(number) for number, plain in zip(written, spans.plain.tolist(), strict=True) if plain]
    assert spans.numbers(Field.PRICE)[spans.plain].tolist() == expected


@given(st.lists(st.datetimes().map(lambda d: d.isoformat() + "Z") | st.text(max_size=30) | st.integers() | st.none()))
def test_times_are_what_the_slow_parser_says(written: list[object]) -> None:
    spans = Spans([json.dumps({"type": "page", "timestamp": time}).encode() for time in written], LIMITS)

    assert spans.plain.tolist() == [not_half(time) for time in written]
    expected = [parse_time(time) if not_half(time) else MISSING for time in written]
    assert spans.times(Field.TIMESTAMP).tolist() == expected


def not_half(time: object) -> bool:
    return not (isinstance(time, str) and any(0xD800 <= ord(letter) <= 0xDFFF for letter in time))


def test_equal_items_have_equal_bytes_and_no_others() -> None:
    values = [
        b'{"type":"page","properties":{"product_id":"a","sku":"b"}}',
        b'{"type":"page","properties":{"sku":"b","price":3,"product_id":"a"}}',
        b'{"type":"page","properties":{"product_id":"ab"}}',
        b'{"type":"page","properties":{"name":"a","sku":"b"}}',
        b'{"type":"page"}',
    ]

    assert Spans(values, LIMITS).items().indices.to_pylist() == [0, 0, 1, 2, None]


def test_dropped_events_have_no_fields() -> None:
    spans = Spans([b'{"type":"page","userId":"a"}', b'{"type":"page","userId":"b"}'], LIMITS)
    spans.drop(np.array([True, False]))

    assert spans.plain.tolist() == [False, True]
    assert spans.texts(Field.USER_ID) == [b"", b"b"]
