"""The table `dead_letters`."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from streams.contract.dead_letters import DeadLetter

__all__ = ["save_dead_letters"]


def save_dead_letters(client: Client, letters: Sequence[DeadLetter]) -> None:
    """Insert them as one block; the same letter again replaces itself."""
    pair = pa.struct([("1", pa.binary()), ("2", pa.binary())])
    table = pa.table(
        {
            "dlq_topic": pa.array([letter.topic for letter in letters], pa.utf8()),
            "dlq_partition": pa.array([letter.partition for letter in letters], pa.uint32()),
            "dlq_offset": pa.array([letter.offset for letter in letters], pa.uint64()),
            "dlq_index": pa.array([letter.index for letter in letters], pa.uint32()),
            "dlq_reason": pa.array([letter.reason for letter in letters], pa.utf8()),
            "dlq_step": pa.array(["contract"] * len(letters), pa.utf8()),
            "dlq_timestamp": pa.array([letter.at_ms for letter in letters], pa.timestamp("ms", tz="UTC")),
            "key": pa.array([letter.key or b"" for letter in letters], pa.binary()),
            "value": pa.array([letter.value for letter in letters], pa.binary()),
            "headers": pa.array(
                [[{"1": name.encode(), "2": text or b""} for name, text in letter.headers] for letter in letters],
                pa.list_(pair),
            ),
        }
    )
    client.insert_arrow("dead_letters", table)
