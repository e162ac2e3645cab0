"""Events that count already are left out when they are read again, and only those."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contract import Contract, Incoming, Limits, decode_block, partition_of
from streams.contract.marks import Applied, decode_sources, encode_sources

PARTITIONS = 4


@given(st.dictionaries(st.integers(0, 9), st.integers(0, 2**62)))
def test_a_header_comes_back(marks: dict[int, int]) -> None:
    assert decode_sources(encode_sources(marks)) == marks


@pytest.mark.parametrize("value", [b"", b"{", b"[1]", b'{"a":1}'])
def test_what_is_no_such_header_is_refused(value: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec's own error is one
        decode_sources(value)


@given(
    st.dictionaries(st.integers(0, PARTITIONS - 1), st.dictionaries(st.integers(0, 1), st.integers(0, 40))),
    st.lists(
        st.tuples(st.sampled_from(["u1", "u2", "u3", "u4", "u5"]), st.integers(0, 1), st.booleans()),
        min_size=1, max_size=30,
    ),
)  # fmt: skip
def test_exactly_what_counts_is_left_out(marks: dict[int, dict[int, int]], events: list[tuple[str, int, bool]]) -> None:
    places = [(source, offset) for offset, (_, source, _) in enumerate(events)]
    values = [
        json.dumps(
            {"type": "page", "userId": user, "messageId": f"m{i}", "timestamp": "2026-01-01T00:00:00Z",
             "properties": {"price": "1.5" if slow else 1.5}}
        ).encode()
        for i, (user, _, slow) in enumerate(events)
    ]  # fmt: skip

    def source(i: int) -> Incoming:
        return Incoming("events", *places[i], None, [])

    contract = Contract(PARTITIONS, Limits(), 0)
    result = contract.apply(values, [0] * len(values), source, Applied(marks))

    left = [
        user
        for (user, _, _), (came_from, offset) in zip(events, places, strict=True)
        if offset >= marks.get(partition_of(user, PARTITIONS), {}).get(came_from, 0)
    ]
    found = []
    for _, data in result.blocks:
        block = decode_block(data)
        found += [block.person.values[code].as_py() for code in block.person.codes.tolist()]
    assert sorted(found) == sorted(left)
    assert result.accepted == len(left)
    assert result.dead_letters == []
    if not Applied(marks).concerns({0: 0, 1: 0}):
        assert len(left) == len(events)
