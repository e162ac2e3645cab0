"""The summary of a run: totals from ClickHouse and topics, never from a process's counters."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
from clickhouse_connect.driver.client import Client

from streams.kafka import headers_of
from streams.records import records_until_end
from streams.settings import Settings
from streams.storage.client import connect

__all__ = ["Summary", "count_dead_letters", "freshness", "summarise"]

_COUNTED = "SELECT sum(accepted), sum(duplicates), sum(suppressed), sum(late) FROM positions"
_SPEED = """
SELECT min(first_read_at), max(committed_at),
       toUnixTimestamp64Micro(max(committed_at)) - toUnixTimestamp64Micro(min(first_read_at))
FROM commits FINAL WHERE events > 0
"""
_FRESHNESS = """
SELECT quantileExactWeighted(0.5)(age, weight) / 1000, quantileExactWeighted(0.99)(age, weight) / 1000
FROM commits FINAL ARRAY JOIN mapKeys(age_ms) AS age, mapValues(age_ms) AS weight
"""


class Summary(msgspec.Struct, kw_only=True):
    """What `demo --json` and `replay --once --json` print; see DESIGN 13.

    Every event is one of these: accepted, a dead letter, a duplicate, or suppressed. `late` ones are accepted.
    """

    events: int
    accepted: int
    dead_letters: dict[str, int]
    duplicates: int
    suppressed: int
    late: int
    profiles: int
    segments: int
    seconds: float
    events_per_second: float
    freshness_p50_s: float | None = None
    freshness_p99_s: float | None = None


def summarise(settings: Settings) -> Summary:
    """Add up what has arrived; call it when nothing is on the road any more (`Arrival.settled`)."""
    refused = count_dead_letters(settings)
    with connect(settings) as client:
        accepted, duplicates, suppressed, late = _row(client, _COUNTED)
        profiles, segments = _row(client, "SELECT count(), uniqExactIf(segment, segment >= 0) FROM current_profiles")
        _, _, us = _row(client, _SPEED)
    events = accepted + duplicates + suppressed + sum(refused.values())
    seconds = max(us, 0) / 1e6
    return Summary(
        events=events,
        accepted=accepted,
        dead_letters=dict(sorted(refused.items())),
        duplicates=duplicates,
        suppressed=suppressed,
        late=late,
        profiles=profiles,
        segments=segments,
        seconds=round(seconds, 3),
        events_per_second=round(events / seconds, 1) if seconds else 0.0,
    )


def freshness(settings: Settings) -> tuple[float, float]:
    """Return (p50, p99) in seconds: record time in Kafka until the commit that holds the event has returned."""
    with connect(settings) as client:
        median, high = _row(client, _FRESHNESS)
    return round(float(median), 3), round(float(high), 3)


def count_dead_letters(settings: Settings) -> Counter[str]:
    """Read the topic of dead letters to its end and count reasons."""
    reasons: Counter[str] = Counter()
    for message in records_until_end(settings, settings.kafka.topics.dead_letters):
        for name, value in headers_of(message):
            if name == "dlq_reason":
                reasons[(value or b"").decode()] += 1
    return reasons


def _row(client: Client, sql: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] = tuple(client.query(sql).result_rows[0])
    return row
