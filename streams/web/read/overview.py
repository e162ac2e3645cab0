"""What one sees first: sizes, speed, freshness, trouble."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from clickhouse_connect.driver.client import Client

from streams.web.read._rows import rows
from streams.web.read.health import Alert, Freshness, alerts, freshness
from streams.web.read.sizes import SegmentsNow, segments_now

__all__ = ["Overview", "overview"]

#: Asked at once: to ask costs more than most answers.
_NUMBERS = """
SELECT
    (SELECT sum(accepted) FROM positions),
    (SELECT sum(events) / {seconds:UInt32} FROM commits FINAL
     WHERE committed_at >= now64(6) - toIntervalSecond({seconds:UInt32})),
    (SELECT sum(changes) FROM segment_flow_counts FINAL
     WHERE segmentation = {segmentation:String} AND committed_at >= now64(3) - INTERVAL 1 HOUR AND from_segment >= -1),
    (SELECT count() FROM dead_letters FINAL)
"""
_RATE_S, _FRESH_MINUTES, _ALERTS = 30, 5, 10


@dataclass(frozen=True, slots=True)
class Overview:
    """`events_per_second` over the last 30 s; `freshness` of the newest minute of the last five."""

    at: datetime
    now: SegmentsNow
    events: int
    events_per_second: float
    changes_1h: int
    freshness: Freshness | None
    dead_letters: int
    alerts: list[Alert]


def overview(client: Client, segmentation: str = "") -> Overview:
    """Return the first page's numbers."""
    now = segments_now(client, segmentation)
    fresh = freshness(client, minutes=_FRESH_MINUTES)
    (numbers,) = rows(client, _NUMBERS, seconds=_RATE_S, segmentation=now.segmentation)
    events, per_second, changes, dead_letters = numbers
    return Overview(
        at=datetime.now(UTC),
        now=now,
        events=int(events or 0),
        events_per_second=float(per_second or 0.0),
        changes_1h=int(changes or 0),
        freshness=fresh[-1] if fresh else None,
        dead_letters=int(dead_letters),
        alerts=alerts(client, limit=_ALERTS),
    )
