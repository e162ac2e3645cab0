"""What the control plane reads of `segment_stats`, and how far it has judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from streams.storage.models import LEARNED

__all__ = [
    "IntervalRow",
    "Progress",
    "basis_versions",
    "judged_until",
    "progress",
    "read_intervals",
    "save_judged",
    "sizes_at",
]

_INTERVALS = """
SELECT intDiv(toUnixTimestamp64Micro(at), 1000000 * interval_s) AS number, segment, sum(s.active), sumMap(s.inflow),
       sumMap(s.outflow), sumMap(s.by_model), max(s.model_version), sum(s.vectors),
       sumForEach(arrayMap(x -> toFloat64(x) * s.vectors, s.centroid))
FROM (
    SELECT * FROM segment_stats FINAL
    WHERE segmentation = {name:String} AND interval_s = {interval_s:UInt32}
      AND at >= fromUnixTimestamp64Micro({from_us:Int64})
) AS s
GROUP BY number, interval_s, segment
ORDER BY number
"""

_PROGRESS = """
SELECT max(toUnixTimestamp64Micro(newest_event_at)) AS newest, max(toUnixTimestamp64Milli(committed_at)) AS committed,
       max(model_version) AS model
FROM segment_stats
WHERE segmentation = {name:String} AND interval_s = {interval_s:UInt32}
  AND at >= fromUnixTimestamp64Micro({from_us:Int64})
GROUP BY kafka_partition
"""

#: A partition that has said nothing for so long while others have isn't waited for: a part of an interval, against
#: which a wait is felt, and never less than a profiler that starts again may take.
_IDLE_PART, _IDLE_LEAST_MS = 1 / 12, 30_000


@dataclass(frozen=True, slots=True)
class IntervalRow:
    """One segment in one interval, all partitions together; `total` is the sum of `vectors` vectors."""

    number: int
    segment: int
    active: int
    inflow: dict[int, int]
    outflow: dict[int, int]
    by_model: dict[int, int]
    model_version: int
    vectors: int
    total: np.ndarray


@dataclass(frozen=True, slots=True)
class Progress:
    """How far every partition that is alive has come.

    Attributes
    ----------
    low_us, newest_us : int
        The newest event of the one that is furthest behind, and of all.
    committed_ms : int
        When somebody last said so.
    model_version : int
        The model that all of them have come to.
    """

    low_us: int
    newest_us: int
    committed_ms: int
    model_version: int


def read_intervals(client: Client, segmentation: str, interval_s: int, first: int) -> list[IntervalRow]:
    """Return what is known from an interval on, in order."""
    rows = client.query(_INTERVALS, parameters=_asked(segmentation, interval_s, first)).result_rows
    return [
        IntervalRow(n, segment, active, inflow, outflow, by_model, version, vectors, np.array(total))
        for n, segment, active, inflow, outflow, by_model, version, vectors, total in rows
    ]


def progress(client: Client, segmentation: str, interval_s: int, first: int) -> Progress | None:
    """Return how far partitions have come, None where nothing is known from `first` on."""
    rows = client.query(_PROGRESS, parameters=_asked(segmentation, interval_s, first)).result_rows
    if not rows:
        return None
    newest, committed, _ = (max(column) for column in zip(*rows, strict=True))
    heard_ms = committed - max(_IDLE_LEAST_MS, interval_s * 1_000 * _IDLE_PART)
    alive = [(at, model) for at, heard, model in rows if heard >= heard_ms]
    return Progress(min(at for at, _ in alive), newest, committed, min(model for _, model in alive))


def basis_versions(client: Client, names: list[str]) -> list[int]:
    """Return the versions of a segmentation's model that did more than learn, in order."""
    rows = client.query(
        "SELECT DISTINCT model_version FROM model_versions WHERE has({names:Array(String)}, segmentation) "
        "AND NOT has({learned:Array(String)}, cause) ORDER BY model_version",
        parameters={"names": names, "learned": list(LEARNED)},
    ).result_rows
    return [int(version) for (version,) in rows]


_SIZES = """
WITH firsts AS (
    SELECT kafka_partition, min(version) FROM segment_sizes
    WHERE has({names:Array(String)}, segmentation) AND model_version >= {since:UInt64}
    GROUP BY kafka_partition
)
SELECT segment, sum(n) FROM (
    SELECT kafka_partition, segment, any(people) AS n FROM segment_sizes
    WHERE has({names:Array(String)}, segmentation) AND (kafka_partition, version) IN firsts
    GROUP BY kafka_partition, segment
) GROUP BY segment
"""


def sizes_at(client: Client, names: list[str], model_version: int) -> dict[int, int]:
    """Return people per segment as each partition's first commit under a model, or a newer one, found them."""
    rows = client.query(_SIZES, parameters={"names": names, "since": model_version}).result_rows
    return {int(segment): int(people) for segment, people in rows}


def judged_until(client: Client, segmentation: str, interval_s: int) -> int | None:
    """Return the last interval that was judged, None before the first."""
    rows = client.query(
        "SELECT judged FROM shift_positions FINAL WHERE segmentation = {name:String} AND interval_s = {s:UInt32}",
        parameters={"name": segmentation, "s": interval_s},
    ).result_rows
    return int(rows[0][0]) if rows else None


def save_judged(client: Client, segmentation: str, interval_s: int, number: int) -> None:
    """Note that an interval has been judged, and those before it."""
    client.insert(
        "shift_positions", [[segmentation, interval_s, number]], column_names=["segmentation", "interval_s", "judged"]
    )


def _asked(segmentation: str, interval_s: int, first: int) -> dict[str, Any]:
    return {"name": segmentation, "interval_s": interval_s, "from_us": max(first, 0) * interval_s * 1_000_000}
