"""People of a shop that never was, written as commits: few enough for a test, as many as a benchmark wants."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from streams.profiles import Position
from streams.storage.commit import OtherSegments, PartitionCommit, PeopleRows

__all__ = ["CATEGORIES", "PARTITIONS", "SEGMENTS", "commits", "content_rows"]

PARTITIONS = 4
SEGMENTS = 8
CATEGORIES = ("Kitchen", "Camping", "Audio", "Garden", "Toys", "Running", "Books", "陶器")
_EVENTS = ("Product Viewed", "Product Added", "Order Completed")
_COUNTRIES, _DEVICES = ("DE", "US", "CN", "BR"), ("mobile", "desktop")
_DAY_US = 86_400_000_000
_CONTENT_EACH = 25


def commits(people: int, *, rounds: int = 2, seed: int = 3, size: int = 20_000) -> Iterator[PartitionCommit]:
    """Yield `rounds` commits of everybody, partition by partition: first all are newcomers, then a tenth moves on.

    Person i likes category `segment % 8` half of the time; the segment of person i is ``i % 8`` at first.
    """
    random = np.random.default_rng(seed)
    now_us = time.time_ns() // 1_000
    for turn in range(rounds):
        for partition in range(PARTITIONS):
            of_it = np.arange(partition, people, PARTITIONS)
            for part in range(0, len(of_it), size):
                yield _commit(of_it[part : part + size], of_it, partition, turn, part // size, now_us, random)


def content_rows() -> list[tuple[int, str, str, int]]:
    """Return (content id, title, category, place in the category) of all content."""
    return [
        (1_000 * (at + 1) + n, f"{name} delight number {n}", name, n)
        for at, name in enumerate(CATEGORIES)
        for n in range(_CONTENT_EACH)
    ]


def _segments(people: np.ndarray, turn: int) -> np.ndarray:
    moved = ((people // SEGMENTS) % 10 < turn).astype(np.int64)
    return (people + moved * turn) % SEGMENTS


def _commit(
    people: np.ndarray, everybody: np.ndarray, partition: int, turn: int, part: int, now_us: int,
    random: np.random.Generator,
) -> PartitionCommit:  # fmt: skip
    n = len(people)
    segment = _segments(people, turn)
    previous = _segments(people, turn - 1) if turn else np.full(n, -2, np.int64)
    labels, counts = np.unique(_segments(everybody, turn), return_counts=True)
    at_us = now_us - random.integers(0, 20 * _DAY_US, n)
    return PartitionCommit(
        partition=partition,
        position=Position(100 * (turn + 1) + part + 1, 0, 0, 0, accepted=5 * len(everybody) * (turn + 1), duplicates=3),
        seq=0,
        model_version=turn + 1,
        layout_id=7,
        people=PeopleRows(
            ids=pa.array([f"user-{i:07d}" for i in people.tolist()], pa.utf8()),
            states=pa.array([b"s" * 300] * n, pa.binary()),
            identity=pa.array([b""] * n, pa.binary()),
            traits=_traits(people),
            features=_features(people, segment, random),
            touched=_touched(segment, random),
            event_count=random.integers(5, 200, n).astype(np.uint64),
            first_seen_us=at_us - _DAY_US,
            last_seen_us=at_us,
            segment=segment,
            previous_segment=previous,
            segment_since_us=at_us,
        ),
        marks={},
        links=[],
        segment_people=dict(zip(labels.tolist(), counts.tolist(), strict=True)),
        others=[OtherSegments("value", turn + 1, people % 3, people % 3 if turn else previous, at_us, {0: n, 1: 0})],
    )


def _traits(people: np.ndarray) -> pa.Array:
    texts = [[("country", _COUNTRIES[i % 4]), ("device", _DEVICES[i % 2])] for i in people.tolist()]
    return pa.array(texts, pa.map_(pa.utf8(), pa.utf8()))


def _features(people: np.ndarray, segment: np.ndarray, random: np.random.Generator) -> pa.Array:
    n = len(people)
    names = [
        *(f"category/{name}" for name in CATEGORIES), *(f"event/{name}" for name in _EVENTS), "orders/count",
        "orders/amount", "orders/recency_days", "sessions", "busiest_hour", "busiest_weekday", "price/mean",
    ]  # fmt: skip
    values = random.gamma(1.0, 1.0, (n, len(names)))
    values[np.arange(n), segment % len(CATEGORIES)] *= 6
    values[:, names.index("busiest_hour")] = (segment * 3) % 24
    values[:, names.index("busiest_weekday")] = people % 7
    keys = pa.DictionaryArray.from_arrays(pa.array(np.tile(np.arange(len(names), dtype=np.int32), n)), names)
    return pa.MapArray.from_arrays(np.arange(0, values.size + 1, len(names), dtype=np.int32), keys, values.ravel())


def _touched(segment: np.ndarray, random: np.random.Generator) -> pa.Array:
    n, each = len(segment), 12
    own = 1_000 * (segment[:, None] % len(CATEGORIES) + 1)
    any_of = 1_000 * random.integers(1, len(CATEGORIES) + 1, (n, each))
    liked = np.where(random.random((n, each)) < 0.5, own, any_of) + random.integers(0, _CONTENT_EACH, (n, each))
    return pa.ListArray.from_arrays(np.arange(0, liked.size + 1, each, dtype=np.int32), liked.astype(np.uint64).ravel())
