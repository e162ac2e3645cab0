"""Who moves where, and how calm it is: flows between segments, reassignments, versions of the model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client

from streams.web.read._rows import first_segmentation, rows

__all__ = ["Flow", "Flows", "ModelVersion", "Stability", "StabilityPoint", "flows", "stability"]

_NEWEST_HOUR = """
SELECT hour FROM segment_flow_counts WHERE segmentation = {segmentation:String}
ORDER BY segmentation DESC, hour DESC LIMIT 1
"""
#: Hours with commits that weren't counted yet, or just (partitions commit one after the other).
_MOVING = """
SELECT DISTINCT hour FROM segment_flow_counts
WHERE segmentation = {segmentation:String} AND hour >= {since:DateTime('UTC')} AND committed_at >= (
    SELECT max(committed_at) FROM segment_flow_hours
    WHERE segmentation = {segmentation:String} AND hour >= {since:DateTime('UTC')}
) - INTERVAL 15 SECOND
"""
#: Those are read from their commits, the others as they were counted last.
_FLOWS = """
SELECT from_segment, to_segment, model_version, uniqMerge(one.people), sum(one.changes)
FROM (
    SELECT from_segment, to_segment, model_version, people, changes FROM segment_flow_counts FINAL
    WHERE segmentation = {segmentation:String} AND hour IN {moving:Array(DateTime('UTC'))}
    UNION ALL
    SELECT from_segment, to_segment, model_version, people, changes FROM segment_flow_hours FINAL
    WHERE segmentation = {segmentation:String} AND hour >= {since:DateTime('UTC')}
      AND hour NOT IN {moving:Array(DateTime('UTC'))}
) AS one
GROUP BY from_segment, to_segment, model_version
ORDER BY sum(one.changes) DESC
"""
_VERSIONS_OF = """
SELECT model_version, segments FROM model_versions FINAL
WHERE segmentation IN ({segmentation:String}, '') AND model_version IN {versions:Array(UInt64)}
"""
_CHANGES = """
SELECT toStartOfMinute(committed_at) AS minute, sum(changes)
FROM segment_flow_counts FINAL
WHERE segmentation = {segmentation:String} AND committed_at >= now64(3) - toIntervalMinute({minutes:UInt32})
  AND from_segment >= -1
GROUP BY minute
ORDER BY minute
"""
_PEOPLE = "SELECT sum(people) FROM segment_sizes_now WHERE segmentation = {segmentation:String} AND segment >= -1"
_VERSIONS = """
SELECT model_version, cause, segments, learned, inertia, created_at
FROM model_versions FINAL
WHERE segmentation IN ({segmentation:String}, '')
ORDER BY model_version DESC
LIMIT {most:UInt32}
"""
_MOST_VERSIONS = 50


@dataclass(frozen=True, slots=True)
class Flow:
    """People who went from one segment to another; `from_segment` -2: they had none before.

    `relabelled`: the segment they left had ceased to exist in that version of the model, so it is the model that moved.
    """

    from_segment: int
    to_segment: int
    people: int
    changes: int
    model_version: int
    relabelled: bool


@dataclass(frozen=True, slots=True)
class Flows:
    """Moves in the event time from `since` to `until`, the most frequent first."""

    segmentation: str
    since: datetime | None
    until: datetime | None
    flows: list[Flow]
    total_changes: int


@dataclass(frozen=True, slots=True)
class StabilityPoint:
    """Moves from one segment to another in a minute (of commit), and per 1,000 people with a segment."""

    minute: datetime
    changes: int
    changes_per_1000: float


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version of the model; `inertia` is the mean squared distance of recent vectors to their centres."""

    model_version: int
    cause: str
    segments: int
    learned: int
    inertia: float
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Stability:
    """How calm a segmentation is; `versions` newest first, `changes` those of all `points`."""

    segmentation: str
    people: int
    changes: int
    points: list[StabilityPoint]
    versions: list[ModelVersion]


def flows(client: Client, segmentation: str = "", *, hours: int = 24) -> Flows:
    """Return who went where in the last `hours` of event time, back from the newest hour there is."""
    name = first_segmentation(client, segmentation)
    newest = rows(client, _NEWEST_HOUR, segmentation=name)
    if not newest:
        return Flows(name, None, None, [], 0)
    until = newest[0][0] + timedelta(hours=1)
    since = until - timedelta(hours=hours)
    moving = [hour for (hour,) in rows(client, _MOVING, segmentation=name, since=since)]
    found = rows(client, _FLOWS, segmentation=name, since=since, moving=moving)
    versions = dict(rows(client, _VERSIONS_OF, segmentation=name, versions=sorted({row[2] for row in found})))
    moves = [
        Flow(old, new, people, changes, version, old >= 0 and version in versions and old not in versions[version])
        for old, new, version, people, changes in found
    ]
    return Flows(name, since, until, moves, sum(move.changes for move in moves))


def stability(client: Client, segmentation: str = "", *, minutes: int = 180) -> Stability:
    """Return the moves per minute of the last `minutes`, quiet minutes included, and the newest model versions."""
    name = first_segmentation(client, segmentation)
    people = int(rows(client, _PEOPLE, segmentation=name)[0][0] or 0)
    changes = dict(rows(client, _CHANGES, segmentation=name, minutes=minutes))
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    axis = [now - timedelta(minutes=back) for back in range(minutes - 1, -1, -1)]
    points = [StabilityPoint(at, n := changes.get(at, 0), 1000 * n / people if people else 0.0) for at in axis]
    versions = [
        ModelVersion(version, cause, len(segments), learned, inertia, created)
        for version, cause, segments, learned, inertia, created in rows(
            client, _VERSIONS, segmentation=name, most=_MOST_VERSIONS
        )
    ]
    return Stability(name, people, sum(point.changes for point in points), points, versions)
