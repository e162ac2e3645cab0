"""How the pipeline is: freshness, positions, dead letters, refusals, alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

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
_COLUMNS = "SELECT name FROM system.columns WHERE database = currentDatabase() AND table = 'segment_alerts'"
_ALERTS = """
SELECT {columns} FROM segment_alerts FINAL ORDER BY starts_at DESC LIMIT {most:UInt32}
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
    """A shift of segments that was noticed; `details` are all columns of its row as text."""

    fingerprint: str
    status: str
    kind: str
    segmentation: str
    segment: int | None
    summary: str
    starts_at: datetime | None
    ends_at: datetime | None
    details: dict[str, str]


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
    """Return the newest alerts; none while there is no table `segment_alerts`."""
    names = [row[0] for row in rows(client, _COLUMNS)]
    if "starts_at" not in names:
        return []
    found = rows(client, _ALERTS.replace("{columns}", ", ".join(f"`{name}`" for name in names)), most=limit)
    return [_alert(dict(zip(names, row, strict=True))) for row in found]


def _alert(row: dict[str, object]) -> Alert:
    def moment(name: str) -> datetime | None:
        value = row.get(name)
        return value if isinstance(value, datetime) and value.year > 1970 else None

    def text(*names: str) -> str:
        return next((str(row[name]) for name in names if row.get(name) not in {None, ""}), "")

    segment = row.get("segment")
    return Alert(
        fingerprint=text("fingerprint"),
        status=text("status"),
        kind=text("kind", "alert", "alertname"),
        segmentation=text("segmentation"),
        segment=segment if isinstance(segment, int) else None,
        summary=text("summary", "message", "description"),
        starts_at=moment("starts_at"),
        ends_at=moment("ends_at"),
        details={name: str(value) for name, value in row.items()},
    )
