"""The last commits of partitions, told again: derived rows that views may have missed, and what went to topics."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from streams.storage.page_rows import LABELS, OF_COMMITS, PAGE_ROWS

__all__ = ["CHANGES", "Stats", "derive_last_commits", "last_changes", "last_stats"]

#: Changes of segment, a row each.
CHANGES = pa.schema(
    [
        ("profile_id", pa.utf8()),
        ("version", pa.uint64()),
        ("from_segment", pa.int64()),
        ("to_segment", pa.int64()),
        ("model_version", pa.uint64()),
        ("at_us", pa.int64()),
        ("segmentation", pa.utf8()),
    ]
)

_MOVES = f"""
SELECT profile_id, version, said.3 AS from_segment, said.2 AS to_segment, said.5 AS model_version, said.4 AS at,
       updated_at, said.1 AS name
FROM profiles
ARRAY JOIN arrayFilter(one -> one.2 != one.3, {LABELS}) AS said
WHERE {OF_COMMITS} AND kind = 'person'
"""  # noqa: S608 - text of ours

_CHANGES = f"""
INSERT INTO segment_changes
    (profile_id, version, from_segment, to_segment, model_version, at, committed_at, segmentation)
{_MOVES}
"""

_CHANGES_TOLD = f"""
SELECT profile_id, version, from_segment, to_segment, model_version, toUnixTimestamp64Micro(at) AS at_us,
       name AS segmentation
FROM ({_MOVES})
"""  # noqa: S608 - text of ours

_SIZES = f"""
INSERT INTO segment_sizes (kafka_partition, version, segment, people, model_version, at, segmentation)
SELECT kafka_partition, version, said.2, said.3, said.4, updated_at, said.1
FROM profiles
ARRAY JOIN arrayConcat(
    arrayMap(one -> (toString(profiles.segmentation), one.1, one.2, profiles.model_version),
             CAST(segment_people, 'Array(Tuple(Int64, UInt64))')),
    other_people) AS said
WHERE {OF_COMMITS} AND kind = 'position'
"""  # noqa: S608 - text of ours

_ACTIVITY = f"""
INSERT INTO segment_stats
SELECT a.segmentation, a.interval_s, fromUnixTimestamp64Micro(a.at_us), kafka_partition, a.segment, version,
       a.model_version, a.active, a.newcomers, a.inflow, a.outflow, a.by_model, a.vectors, a.centroid,
       fromUnixTimestamp64Micro(newest_event_us), updated_at
FROM profiles
ARRAY JOIN activity AS a
WHERE {OF_COMMITS} AND kind = 'position' AND a.changed
"""  # noqa: S608 - text of ours

_STATS_TOLD = f"""
SELECT kafka_partition, version, a.segmentation, any(a.model_version), a.at_us, any(a.interval_s), any(newest_event_us),
       CAST((groupArray(a.segment), groupArray(a.active)), 'Map(Int64, UInt64)')
FROM profiles
ARRAY JOIN activity AS a
WHERE {OF_COMMITS} AND kind = 'position' AND a.changed
GROUP BY kafka_partition, version, a.segmentation, a.at_us
"""  # noqa: S608 - text of ours

_LINKS = f"""
INSERT INTO identity_links
SELECT link.profile_id, link.anonymous, link.what, link.reason, fromUnixTimestamp64Micro(link.at_us), link.message,
       link.id_offset, kafka_partition, link.kafka_offset, link.item, updated_at
FROM profiles
ARRAY JOIN links AS link
WHERE {OF_COMMITS} AND kind = 'position'
"""  # noqa: S608 - text of ours


class Stats(msgspec.Struct, frozen=True):
    """A record of `userprism.segment-stats`: people active per segment whose number a commit has changed.

    Flows and centroids are in the table `segment_stats`, under the same keys.
    """

    id: str
    kafka_partition: int
    version: int
    segmentation: str
    model_version: int
    at_us: int
    interval_s: int
    newest_event_us: int
    active: dict[int, int]

    @classmethod
    def of(cls, partition: int, version: int, said: tuple[str, int, int, int, int, dict[int, int]]) -> Stats:
        """Return the record, its id made of what makes it unique; `said` are the fields after `version`."""
        return cls(f"{partition}:{version}:{said[0]}:{said[2]}", partition, version, *said)


def derive_last_commits(client: Client, commits: Mapping[int, int]) -> None:
    """Write the derived rows of some commits again: views may have missed them, the targets replace.

    Parameters
    ----------
    commits : mapping of int to int
        Partition -> version. One statement serves all: each reads the table once, however many there are.
    """
    for statement in (_CHANGES, _SIZES, _ACTIVITY, _LINKS, *PAGE_ROWS):
        client.command(statement, parameters=_named(commits))


def last_changes(client: Client, commits: Mapping[int, int]) -> pa.Table:
    """Return the changes of some commits (`CHANGES`): their notifications go out again, with the same ids."""
    return client.query_arrow(_CHANGES_TOLD, parameters=_named(commits)).cast(CHANGES)


def last_stats(client: Client, commits: Mapping[int, int]) -> list[Stats]:
    """Return what some commits said of who was active: it goes out again, with the same ids."""
    rows = client.query(_STATS_TOLD, parameters=_named(commits)).result_rows
    return [Stats.of(partition, version, tuple(said)) for partition, version, *said in rows]


def _named(commits: Mapping[int, int]) -> dict[str, list[tuple[int, int]]]:
    return {"commits": list(commits.items())}
