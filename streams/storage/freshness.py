"""What each commit held and how old it was: numbers for people to look at, written after the commit they describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from streams.storage.commit import PartitionCommit

__all__ = ["save_ages"]


def save_ages(
    client: Client, commits: Sequence[tuple[PartitionCommit, int, Mapping[int, int]]], safe_at_us: int
) -> None:
    """Write one row a partition of a commit that has returned.

    Parameters
    ----------
    client : Client
        A writing client.
    commits : sequence of (part, first_read_at_us, ages)
        `ages` maps the age in ms at the commit's return to a number of events; a part without events is left out.
    safe_at_us : int
        When the commit returned.
    """
    rows = [(part, read_at_us, ages) for part, read_at_us, ages in commits if ages]
    if not rows:
        return
    time_type = pa.timestamp("us", tz="UTC")
    table = pa.table(
        {
            "kafka_partition": pa.array([part.partition for part, _, _ in rows], pa.uint32()),
            "version": pa.array([part.version for part, _, _ in rows], pa.uint64()),
            "events": pa.array([sum(ages.values()) for _, _, ages in rows], pa.uint64()),
            "people": pa.array([len(part.people.ids) for part, _, _ in rows], pa.uint64()),
            "first_read_at": pa.array([read_at_us for _, read_at_us, _ in rows], time_type),
            "committed_at": pa.array([safe_at_us] * len(rows), time_type),
            "age_ms": pa.array([list(ages.items()) for _, _, ages in rows], pa.map_(pa.uint32(), pa.uint64())),
        }
    )
    client.insert_arrow("commits", table)
