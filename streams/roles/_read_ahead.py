"""What ClickHouse holds of partitions, read one after the other: the next one while the one before is worked on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from streams.storage.restore import (
    Change,
    Stats,
    StoredPartition,
    derive_last_commit,
    last_changes,
    last_stats,
    restore_partition,
)

__all__ = ["HeldPartition", "read_ahead"]


@dataclass(frozen=True, slots=True)
class HeldPartition:
    """A partition as it was committed, and what its last commit has to tell again."""

    number: int
    stored: StoredPartition
    changes: list[Change]
    stats: list[Stats]


def read_ahead(client: Client, partitions: Sequence[int]) -> Iterator[HeldPartition]:
    """Yield partitions in their order; at most one more than the one that was yielded is in memory.

    Nobody else may use the client meanwhile.
    """
    with ThreadPoolExecutor(1, "restore") as pool:
        coming = None
        for number in partitions:
            now, coming = coming, pool.submit(_read, client, number)
            if now is not None:
                yield now.result()
        if coming is not None:
            yield coming.result()


def _read(client: Client, number: int) -> HeldPartition:
    stored = restore_partition(client, number)
    if not stored.version:
        return HeldPartition(number, stored, [], [])
    derive_last_commit(client, number, stored.version)
    changes, stats = last_changes(client, number, stored.version), last_stats(client, number, stored.version)
    return HeldPartition(number, stored, changes, stats)
