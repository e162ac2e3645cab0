"""How the pipeline is: freshness, positions, dead letters, refusals, alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from streams.web.read._rows import rows

__all__ = ["Alert", "Freshness", "Health", "Partition", "alerts", "freshness", "health"]

_FRESHNESS = """
SELECT minute, p50_s, p95_s, p99_s, events FROM freshness
WHERE minute >= now() - toIntervalMinute({minutes:UInt32}) ORDER BY minute
"""
_PARTITIONS = """
SELECT kafka_partition, next_offset, accepted, duplicates, late, clamped, updated_at
FROM positions ORDER BY kafka_partition
"""
_DEAD_LETTERS = "SELECT dlq_reason, count() FROM dead_letters FINAL GROUP BY dlq_reason ORDER BY count() DESC"
_LINKS = "SELECT what, reason, sum(links) FROM identity_counts GROUP BY what, reason ORDER BY what, reason"
_ALERTS = """
SELECT fingerprint, status, alertname, segmentation, segment, segments, severity, confidence, size, starts_at, last_at,
       ends_at, share_before, share_now, model_version, labels, annotations, silenced
FROM segment_alerts FINAL
ORDER BY starts_at DESC
LIMIT {most:UInt32}
"""


@dataclass(frozen=True, slots=True)
class Freshness:
    """Seconds from an event's record in Kafka until the commit that holds it has returned, by minute."""

    minute: datetime
    p50_s: float
    p95_s: float
    p99_s: float
    events: int


@dataclass(frozen=True, slots=True)
class Partition:
    """How far a partition of `userprism.clicks` is in ClickHouse, and totals of its log."""

    partition: int
    next_offset: int
    accepted: int
    duplicates: int
    late: int
    clamped: int
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Alert:
    """A shift of segments that was noticed; see docs/tables.md, `segment_alerts`. `ends_at` is None while it fires."""

    fingerprint: str
    status: str
    alertname: str
    segmentation: str
    segment: int
    segments: list[int]
    severity: str
    confidence: float
    size: float
    starts_at: datetime
    last_at: datetime
    ends_at: datetime | None
    share_before: dict[int, float]
    share_now: dict[int, float]
    model_version: int
    labels: dict[str, str]
    annotations: dict[str, str]
    silenced: bool


@dataclass(frozen=True, slots=True)
class Health:
    """Freshness by minute, oldest first; counts by reason."""

    at: datetime
    freshness: list[Freshness]
    partitions: list[Partition]
    dead_letters: dict[str, int]
    merged: int
    refused_merges: dict[str, int]


def freshness(client: Client, *, minutes: int = 60) -> list[Freshness]:
    """Return the freshness of each minute that had commits."""
    return [Freshness(*row) for row in rows(client, _FRESHNESS, minutes=minutes)]


def health(client: Client, *, minutes: int = 60) -> Health:
    """Return how the pipeline is, from its tables alone."""
    links = rows(client, _LINKS)
    return Health(
        at=datetime.now(UTC),
        freshness=freshness(client, minutes=minutes),
        partitions=[Partition(*row) for row in rows(client, _PARTITIONS)],
        dead_letters=dict(rows(client, _DEAD_LETTERS)),
        merged=sum(n for what, _, n in links if what == "merged"),
        refused_merges={reason: n for what, reason, n in links if what == "refused"},
    )


def alerts(client: Client, *, limit: int = 100) -> list[Alert]:
    """Return the newest alerts, firing or resolved."""
    return [_alert(row) for row in rows(client, _ALERTS, most=limit)]


def _alert(row: tuple[Any, ...]) -> Alert:
    *before, ends_at, share_before, share_now, version, labels, annotations, silenced = row
    ended = ends_at if before[1] == "resolved" else None
    rest: tuple[Any, ...] = (ended, share_before, share_now, version, labels, annotations, bool(silenced))
    return Alert(*before, *rest)
