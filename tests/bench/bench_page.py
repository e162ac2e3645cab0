"""What a page's queries cost at size: tables are filled as a month of commits would, then each question is asked.

`python -m tests.bench.bench_page` fills 1,000,000 profiles and 10,000,000 changes; `--quick` a twentieth of both.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client

from streams.embedded import ClickHouse
from streams.settings import ClickHouseSettings, Settings
from streams.storage import connect
from streams.storage.schema import apply_migrations
from streams.web import read
from tests.bench.common import machine, main, print_table, progress

_DAYS, _SEGMENTS, _PARTITIONS, _REPEATS = 30, 8, 4, 7
_CONTENT = 10_000
_COUNTED = ("current_profiles", "segment_changes")

_PROFILES = """
INSERT INTO profiles (profile_id, kind, version, kafka_partition, next_offset, lease_until, updated_at, segment,
    previous_segment, segment_since, model_version, event_count, first_seen, last_seen, traits, features, touched,
    layout, state)
WITH number % {segments:UInt32} AS s
SELECT concat('user-', leftPad(toString(number), 9, '0')), 'person', bitShiftLeft(toUInt64(1000), 16), number % 4, 1000,
    now() + 100000, now64(3) - INTERVAL 31 DAY, s, s, now64(6) - INTERVAL 31 DAY, 1, 20 + number % 100,
    now64(6) - INTERVAL 40 DAY, now64(6) - toIntervalSecond(number % 2000000),
    map('country', ['DE', 'US', 'CN', 'BR'][number % 4 + 1], 'device', ['mobile', 'desktop'][number % 2 + 1]),
    mapFromArrays(arrayConcat(arrayMap(i -> concat('category/c', toString((s * 5 + cityHash64(number, i) % 20) % 40)),
                                       range(6)),
                              ['event/Product Viewed', 'event/Product Added', 'event/Order Completed', 'orders/count',
                               'orders/amount', 'sessions', 'busiest_hour', 'busiest_weekday', 'price/mean']),
                  arrayMap(i -> toFloat64(cityHash64(number, i) % 60) / 10 + 0.1, range(15))),
    arrayMap(i -> cityHash64(number, i) % {content:UInt64}, range(20)), 7, repeat('s', 400)
FROM numbers({first:UInt64}, {rows:UInt64})
"""
_POSITIONS = """
INSERT INTO profiles (profile_id, kind, version, kafka_partition, next_offset, lease_until, updated_at, model_version,
    accepted, segment_people)
SELECT concat('\\0position/', toString(number)), 'position', bitShiftLeft(toUInt64(1001), 16), number, 1001,
    now() + 100000, now64(3), 1, 10000000,
    CAST(arrayMap(s -> (toInt64(s), intDiv({people:UInt64}, 32)), range(8)), 'Map(Int64, UInt64)')
FROM numbers(4)
"""
#: A change every so often, evenly over the days; a commit every 2 s and partition.
_CHANGES = """
INSERT INTO segment_changes
    (profile_id, version, from_segment, to_segment, model_version, at, committed_at, segmentation)
WITH now64(3) - toIntervalMillisecond(intDiv(number * {span_ms:UInt64}, {changes:UInt64})) AS at_ms
SELECT concat('user-', leftPad(toString(cityHash64(number) % {people:UInt64}), 9, '0')),
    bitShiftLeft(intDiv(toUnixTimestamp64Milli(at_ms), 2000), 16), number % 8,
    (number + 1 + intDiv(number, 8) % 7) % 8, 1, at_ms, at_ms, 'interest'
FROM numbers({first:UInt64}, {rows:UInt64})
"""
_FLOWS = """
INSERT INTO segment_flow_counts
SELECT segmentation, toStartOfHour(at) AS hour, cityHash64(profile_id) % 4 AS partition, version, from_segment,
    to_segment, max(segment_changes.model_version), count(), uniqState(profile_id), max(committed_at)
FROM segment_changes
WHERE at >= {since:DateTime('UTC')} AND at < {until:DateTime('UTC')}
GROUP BY segmentation, hour, partition, version, from_segment, to_segment
"""
_SIZES = """
INSERT INTO segment_sizes_by_minute
SELECT 'interest', toStartOfMinute(now()) - toIntervalMinute(intDiv(number, 4) + 1), number % 4, 1000000000 - number,
    CAST(arrayMap(s -> (toInt64(s), intDiv({people:UInt64}, 32) + number % 50), range(8)), 'Map(Int64, UInt64)'), 1
FROM numbers({rows:UInt64})
"""
_COMMITS = """
INSERT INTO commits
SELECT number % 4, 100000000 - number, 1000, 500, now64(6) - toIntervalSecond(intDiv(number, 2)),
    now64(6) - toIntervalSecond(intDiv(number, 2)), map(100, 300, 400, 400, 900, 300)
FROM numbers({rows:UInt64})
"""
_PIECES = """
INSERT INTO content (content_id, kind, item, title, categories, status, space_id, vector, updated_at)
SELECT number, 'item', toString(number), concat('thing ', toString(number % 300), ' of ', toString(number)), ['c'],
    'ok',
    'toy', arrayMap(i -> toFloat32(cityHash64(number, i) % 1000) / 1000, range(128)), now64(3)
FROM numbers({content:UInt64})
"""
_REST = """
INSERT INTO model_versions (model_version, cause, segments, learned, inertia, snapshot, segmentation)
SELECT 1, 'fit', range(8), 1000, 0.5, repeat('x', 100000), 'interest'
"""
_LETTERS = """
INSERT INTO dead_letters SELECT 'events', number % 4, number, 0, ['malformed_json', 'too_deep'][number % 2 + 1],
    'decode',
    now64(3), '', '{}', [] FROM numbers(100000)
"""


def run(*, quick: bool) -> dict[str, Any]:
    """Fill, ask, print."""
    people, changes = (50_000, 500_000) if quick else (1_000_000, 10_000_000)
    with tempfile.TemporaryDirectory(prefix="userprism-bench-") as folder:
        engine = ClickHouse(Path(folder) / "data", Path(folder) / "clickhouse.log")
        engine.start()
        try:
            settings = Settings(clickhouse=ClickHouseSettings(**{**engine.section, "database": "bench"}))
            return _run(settings, people, changes)
        finally:
            engine.stop()


def _run(settings: Settings, people: int, changes: int) -> dict[str, Any]:
    with connect(settings, database="default") as client:
        client.command("CREATE DATABASE bench")
    with connect(settings) as client:
        apply_migrations(client)
        began = time.perf_counter()
        _fill(client, people, changes)
        filled_s = time.perf_counter() - began
    with connect(settings, reader=True) as client:
        found = [_measured(name, ask, client) for name, ask in _questions(people)]
        held = [
            client.query(f"SELECT count() FROM {table}").result_rows[0][0]
            for table in ("current_profiles", "segment_changes")
        ]
    title = f"Questions of a page over {held[0]:,} people and {held[1]:,} changes, in ms (filled in {filled_s:.0f} s)"
    print_table(title, ("question", "median", "worst", "goal"), found)
    return {
        "people": held[0],
        "changes": held[1],
        "questions": {name: {"median_ms": median, "worst_ms": worst} for name, median, worst, _ in found},
        **machine(),
    }


def _fill(client: Client, people: int, changes: int) -> None:
    sizes = {"people": people, "changes": changes, "content": _CONTENT, "segments": _SEGMENTS}
    step = 100_000
    for first in range(0, people, step):
        progress(f"profiles {first:,}")
        client.command(_PROFILES, parameters={**sizes, "first": first, "rows": min(step, people - first)})
    client.command(_POSITIONS, parameters=sizes)
    span_ms = _DAYS * 86_400_000
    for first in range(0, changes, 10 * step):
        progress(f"changes {first:,}")
        rows = min(10 * step, changes - first)
        client.command(_CHANGES, parameters={**sizes, "first": first, "rows": rows, "span_ms": span_ms})
    now = int(time.time()) // 86_400 * 86_400
    for day in range(-_DAYS - 1, 1, 2):
        progress(f"flows of day {day}")
        edges = {"since": now + day * 86_400, "until": now + (day + 2) * 86_400}
        client.command(_FLOWS, parameters=edges)
    progress("sizes, commits, content")
    client.command(_SIZES, parameters={**sizes, "rows": _DAYS * 1_440 * _PARTITIONS})
    client.command(_COMMITS, parameters={"rows": changes // 10})
    client.command(_PIECES, parameters=sizes)
    for statement in (_REST, _LETTERS):
        client.command(statement)
    for view in ("segment_evidence_of_sample", "segment_flow_hours_of_counts"):
        client.command(f"SYSTEM REFRESH VIEW {view}")
        client.command(f"SYSTEM WAIT VIEW {view}")


def _questions(people: int) -> list[tuple[str, Callable[[Client], Any]]]:
    somebody = f"user-{people // 2:09d}"

    def scan(sql: str) -> Callable[[Client], Any]:
        return lambda client: client.query(sql).result_rows

    return [
        ("(SELECT 1: a query of nothing)", scan("SELECT 1")),
        ("overview", read.overview),
        ("segments_now", read.segments_now),
        ("sizes_over_time, 1 hour", lambda client: read.sizes_over_time(client, minutes=60)),
        ("sizes_over_time, 7 days", lambda client: read.sizes_over_time(client, minutes=7 * 1_440)),
        ("flows, 1 hour", lambda client: read.flows(client, hours=1)),
        ("flows, 24 hours", lambda client: read.flows(client, hours=24)),
        ("segment_card", lambda client: read.segment_card(client, 3)),
        ("person", lambda client: read.person(client, somebody)),
        ("people, a page", lambda client: read.people(client, after=somebody, limit=50)),
        ("people of a segment", lambda client: read.people(client, segment=3, after=somebody, limit=50)),
        ("stability, 3 hours", read.stability),
        ("health", read.health),
        ("freshness, 1 hour", read.freshness),
        ("scan: people by segment", scan("SELECT segment, count() FROM current_profiles GROUP BY segment")),
        (
            "scan: events by country",
            scan("SELECT traits['country'], sum(event_count) FROM current_profiles GROUP BY 1"),
        ),
        (
            "scan: revenue by segment",
            scan("SELECT segment, avg(features['orders/amount']) FROM current_profiles GROUP BY 1"),
        ),
    ]


def _measured(name: str, ask: Callable[[Client], Any], client: Client) -> tuple[str, float, float, int]:
    took = []
    for _ in range(_REPEATS + 1):
        began = time.perf_counter()
        ask(client)
        took.append(1_000 * (time.perf_counter() - began))
    took = sorted(took[1:])  # the first one finds cold caches
    return name, round(took[len(took) // 2], 1), round(took[-1], 1), 1_000 if name.startswith("scan") else 100


if __name__ == "__main__":
    sys.exit(main(run))
