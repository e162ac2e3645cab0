"""Entries and touches of some people side by side are what each one holds, and numbers come once and in order."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.profiles._kernel import distinct
from streams.profiles.columns import META_WORDS, Entries, entry_at
from streams.profiles.touches import Touches

PEOPLE, FAMILIES, WIDTH = 40, 3, 2

puts = st.lists(st.tuples(st.integers(0, PEOPLE - 1), st.integers(0, FAMILIES - 1), st.integers(1, 6)), max_size=300)
people = st.lists(st.integers(0, PEOPLE - 1), max_size=60)


@given(puts, people, puts, people)
def test_gathered_entries_are_everybodys_in_order_of_their_first_appearance(
    first: list[tuple[int, int, int]], cleared: list[int], then: list[tuple[int, int, int]], asked: list[int]
) -> None:
    entries = Entries(WIDTH, np.full(FAMILIES, 4, np.int32))
    entries.resize(PEOPLE)
    held: dict[int, dict[tuple[int, int], int]] = defaultdict(dict)
    for part in (first, then):
        for number, (row, family, key) in enumerate(part):
            same = [k for f, k in held[row] if f == family]
            kept = key if key in same or len(same) < 4 else 0  # beyond the bound all are "(other)"
            entries.reserve(1)
            entries.arrays().ints[entry_at(row, family, key, entries.arrays()), META_WORDS] = number
            held[row][family, kept] = number
        if part is first:
            gone = np.unique(np.array(cleared, np.int32))
            entries.clear(gone)
            for row in gone.tolist():
                held.pop(row, None)

    found = entries.gather(np.array(asked, np.int32))

    rows = list(zip(found.row, found.family, found.key, found.ints[:, 0], strict=True))
    expected = [(place, *pair, number) for place, row in enumerate(asked) for pair, number in held[row].items()]
    assert rows == expected
    sizes = [len(held[row]) for row in asked]
    assert np.diff(found.starts).tolist() == sizes
    assert not found.ints[:, 1].any()
    assert np.shares_memory(found.ints, found.floats) or not rows


touched = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6), st.sampled_from([0, 7, 900, 10**6])), max_size=60)


@given(touched, st.lists(st.integers(0, 5), max_size=9))
def test_touches_are_weighed_at_the_newest_of_their_person_and_listed_while_they_weigh_anything(
    events: list[tuple[int, int, int]], asked: list[int]
) -> None:
    rate = 1e-3  # in a second of event time a touch weighs nothing
    touches = Touches(8, rate)
    rows, content, at = (np.array(column, kind) for column, kind in zip(
        zip(*events, strict=True) if events else [(), (), ()], (np.int32, np.uint64, np.int64), strict=True,
    ))  # fmt: skip
    touches.update(rows, content, at)
    held: dict[int, dict[int, list[int]]] = defaultdict(dict)
    for row, one, time in events:
        held[row].setdefault(one, []).append(time)
    expected = [
        {
            one: math.fsum(math.exp(rate * (time - max(map(max, held[row].values())))) for time in times)
            for one, times in held[row].items()
        }
        for row in asked
    ]

    ids, weights = touches.current(np.array(asked, np.int32))
    offsets, listed = touches.listed(np.array(asked, np.int32))

    assert ids.shape == weights.shape == (len(asked), 8)
    for place, of_one in enumerate(expected):
        n = len(of_one)
        assert ids[place, :n].tolist() == list(of_one)
        assert weights[place, :n].tolist() == pytest.approx(list(of_one.values()))
        assert not weights[place, n:].any()
        assert listed[offsets[place] : offsets[place + 1]].tolist() == [one for one, much in of_one.items() if much]
    assert len(listed) == offsets[-1]


@given(st.lists(st.lists(st.integers(0, 99), max_size=30), max_size=5))
def test_distinct_numbers_come_once_and_in_order(parts: list[list[int]]) -> None:
    found = distinct([np.array(part, np.int32) for part in parts], 100)

    assert found.tolist() == sorted({number for part in parts for number in part})
    assert found.dtype == np.int32
