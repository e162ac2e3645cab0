"""What ClickHouse holds of partitions, read one after the other: the next one while the one before is worked on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from clickhouse_connect.driver.client import Client

from streams.storage.restore import StoredPartition, restore_partition

__all__ = ["read_ahead"]


def read_ahead(client: Client, partitions: Sequence[int]) -> Iterator[tuple[int, StoredPartition]]:
    """Yield partitions in their order; at most one more than the one that was yielded is in memory.

    Nobody else may use the client meanwhile.
    """
    with ThreadPoolExecutor(1, "restore") as pool:
        coming = None
        for number in partitions:
            now, coming = coming, (number, pool.submit(restore_partition, client, number))
            if now is not None:
                yield now[0], now[1].result()
        if coming is not None:
            yield coming[0], coming[1].result()
