"""How many people each segment has: now, and over time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from weakref import WeakKeyDictionary

from clickhouse_connect.driver.client import Client

from streams.web.read._rows import UNASSIGNED, first_segmentation, rows
from streams.web.read.names import segment_names

__all__ = ["Segment", "SegmentsNow", "SizesOverTime", "segments_now", "sizes_over_time"]

_NOW = """
SELECT segment, people, model_version, updated_at FROM segment_sizes_now WHERE segmentation = {segmentation:String}
"""
_MINTED = """
SELECT segment, argMax(cause, model_version), min(minted_at)
FROM segments FINAL
WHERE segmentation IN ({segmentation:String}, '') AND has({segments:Array(Int64)}, segment)
GROUP BY segment
"""
#: The newest row of each bucket and partition; a bucket's newest minute is the one with the highest version. `argMax`
#: says the same in four times the time, for maps (a week: 97 ms, this 21).
_BUCKETS = """
SELECT intDiv(toUnixTimestamp(minute), {step:UInt32}) AS bucket, kafka_partition, people
FROM segment_sizes_by_minute FINAL
WHERE segmentation = {segmentation:String} AND minute >= fromUnixTimestamp({since:UInt32})
  AND minute < fromUnixTimestamp({until:UInt32})
ORDER BY bucket, version DESC
LIMIT 1 BY bucket, kafka_partition
"""
_BEFORE = """
SELECT kafka_partition, people
FROM segment_sizes_by_minute FINAL
WHERE segmentation = {segmentation:String} AND minute < fromUnixTimestamp({at:UInt32})
  AND minute >= fromUnixTimestamp({at:UInt32}) - INTERVAL {hours:UInt32} HOUR
ORDER BY version DESC
LIMIT 1 BY kafka_partition
"""
#: Looked back so far, further only for partitions that had no commit meanwhile: a week of minutes costs 100 ms.
_LOOK_BACK_HOURS = (1, 7 * 24)
_PARTITIONS = "SELECT count() FROM positions"
_MINUTE_S = 60
_KEEP_S = 30.0
_there: WeakKeyDictionary[Client, tuple[float, int]] = WeakKeyDictionary()
#: What was so long ago changes no more: pages ask for the same minute again and again.
_SETTLED_S, _MOST_SETTLED = 600, 200
_settled: WeakKeyDictionary[Client, dict[tuple[str, int], dict[int, Mapping[int, int]]]] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as it is now; `change_1h` is None while there is no hour to compare with.

    `share` is of the people who have a segment; `cause` says why it came to be (`minted_at`).
    """

    segment: int
    name: str
    people: int
    share: float
    change_1h: int | None
    cause: str
    minted_at: datetime | None
    model_version: int


@dataclass(frozen=True, slots=True)
class SegmentsNow:
    """All segments of a segmentation, the biggest first; `at` is the newest commit they stand for."""

    at: datetime | None
    segmentation: str
    model_version: int
    people: int
    unassigned: int
    segments: list[Segment]


@dataclass(frozen=True, slots=True)
class SizesOverTime:
    """People per segment at each of `times` (the end of a step); None: nothing is known of that time."""

    segmentation: str
    step_s: int
    times: list[datetime]
    people: dict[int, list[int | None]]


def segments_now(client: Client, segmentation: str = "") -> SegmentsNow:
    """Return the segments that have people now."""
    name = first_segmentation(client, segmentation)
    sizes = rows(client, _NOW, segmentation=name)
    found = {segment: people for segment, people, *_ in sizes}
    at = max((row[3] for row in sizes), default=None)
    version = max((row[2] for row in sizes), default=0)
    held = {segment: people for segment, people in found.items() if segment > UNASSIGNED and people}
    total = sum(held.values())
    minted = {row[0]: row[1:] for row in rows(client, _MINTED, segmentation=name, segments=list(held))}
    before = _sizes_at(client, name, datetime.now(UTC) - timedelta(hours=1))
    names = segment_names(client, name)
    segments = [
        Segment(
            segment=segment,
            name=names[segment].text if segment in names else "",
            people=people,
            share=people / total,
            change_1h=None if before is None else people - before.get(segment, 0),
            cause=minted.get(segment, ("", None))[0],
            minted_at=minted.get(segment, ("", None))[1],
            model_version=version,
        )
        for segment, people in sorted(held.items(), key=lambda entry: -entry[1])
    ]
    return SegmentsNow(at, name, version, total, found.get(UNASSIGNED, 0), segments)


def sizes_over_time(
    client: Client, segmentation: str = "", *, minutes: int = 60, points: int = 120, until: datetime | None = None
) -> SizesOverTime:
    """Return at most `points` sizes of the last `minutes` before `until` (now), whole minutes apart."""
    name = first_segmentation(client, segmentation)
    step_s = max(1, -(-minutes // points)) * _MINUTE_S
    end = int((until or datetime.now(UTC)).timestamp()) // step_s + 1
    start = end - -(-minutes * _MINUTE_S // step_s)
    asked = {"segmentation": name, "step": step_s, "since": start * step_s, "until": end * step_s}
    found: dict[int, dict[int, Mapping[int, int]]] = {}
    for bucket, partition, people in rows(client, _BUCKETS, **asked):
        found.setdefault(bucket, {})[partition] = people
    held = _by_partition(client, name, start * step_s)
    sums: list[dict[int, int] | None] = []
    for bucket in range(start, end):
        held |= found.get(bucket, {})
        sums.append(_sum(held) if held else None)
    present = sorted({segment for one in sums if one for segment in one if segment > UNASSIGNED})
    return SizesOverTime(
        segmentation=name,
        step_s=step_s,
        times=[datetime.fromtimestamp((bucket + 1) * step_s, UTC) for bucket in range(start, end)],
        people={segment: [None if one is None else one.get(segment, 0) for one in sums] for segment in present},
    )


def _sizes_at(client: Client, name: str, at: datetime) -> dict[int, int] | None:
    held = _by_partition(client, name, int(at.timestamp()) // _MINUTE_S * _MINUTE_S)
    return _sum(held) if held else None


def _by_partition(client: Client, name: str, at_s: int) -> dict[int, Mapping[int, int]]:
    """Return the sizes of each partition before a full minute."""
    settled = _settled.setdefault(client, {})
    if (name, at_s) in settled:
        return dict(settled[name, at_s])
    found: dict[int, Mapping[int, int]] = {}
    for hours in _LOOK_BACK_HOURS:
        if not found or len(found) < _partitions(client):
            found = dict(rows(client, _BEFORE, segmentation=name, at=at_s, hours=hours))
    if at_s < time.time() - _SETTLED_S:
        if len(settled) >= _MOST_SETTLED:
            settled.clear()
        settled[name, at_s] = found
    return dict(found)


def _partitions(client: Client) -> int:
    """Return how many partitions have committed; kept a while, for there is seldom a new one."""
    kept = _there.get(client)
    if kept is None or time.monotonic() - kept[0] > _KEEP_S:
        kept = _there[client] = (time.monotonic(), int(rows(client, _PARTITIONS)[0][0]))
    return kept[1]


def _sum(partitions: Mapping[int, Mapping[int, int]]) -> dict[int, int]:
    total: dict[int, int] = {}
    for people in partitions.values():
        for segment, n in people.items():
            total[segment] = total.get(segment, 0) + n
    return total
