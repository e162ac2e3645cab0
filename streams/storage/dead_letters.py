"""The tables `dead_letters` and `dead_letter_replays`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from streams.contract.dead_letters import DeadLetter

__all__ = [
    "Selection",
    "count_by_reason",
    "count_waiting",
    "mark_replayed",
    "save_dead_letters",
    "selected_letters",
    "waiting_letters",
]

_PAGE = 1_000
_PLACE = "dlq_topic, dlq_partition, dlq_offset, dlq_index"
_SELECTED = (
    "(empty({reasons:Array(String)}) OR has({reasons:Array(String)}, dlq_reason)) "
    "AND dlq_timestamp >= {since:DateTime64(3, 'UTC')}"
)
_WAITING = f"dlq_step = 'contract' AND {_SELECTED} AND ({_PLACE}) NOT IN (SELECT {_PLACE} FROM dead_letter_replays)"  # noqa: S608 - text of ours


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are meant.

    Attributes
    ----------
    reasons : tuple of str
        Empty for all.
    since : datetime
        Refused then or later, UTC.
    """

    reasons: tuple[str, ...]
    since: datetime

    @property
    def parameters(self) -> dict[str, object]:
        """What the queries here take."""
        return {"reasons": list(self.reasons), "since": self.since}


def save_dead_letters(client: Client, letters: Sequence[DeadLetter]) -> None:
    """Insert them as one block; the same letter again replaces itself."""
    pair = pa.struct([("1", pa.binary()), ("2", pa.binary())])
    table = pa.table(
        {
            **_places(letters),
            "dlq_reason": pa.array([letter.reason for letter in letters], pa.utf8()),
            "dlq_step": pa.array([letter.step for letter in letters], pa.utf8()),
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


def count_by_reason(client: Client, selection: Selection) -> dict[str, int]:
    """Return reason -> letters, the most frequent first."""
    rows = client.query(
        f"SELECT dlq_reason, count() FROM dead_letters FINAL WHERE {_SELECTED} GROUP BY dlq_reason ORDER BY 2 DESC, 1",  # noqa: S608 - text of ours
        parameters=selection.parameters,
    ).result_rows
    return {str(reason): int(count) for reason, count in rows}


def selected_letters(client: Client, selection: Selection, limit: int) -> list[DeadLetter]:
    """Return the newest letters."""
    return _letters(client, f"WHERE {_SELECTED} ORDER BY dlq_timestamp DESC LIMIT {int(limit)}", selection)


def waiting_letters(client: Client, selection: Selection) -> Iterator[list[DeadLetter]]:
    """Yield, a page at a time, the letters that `mark_replayed` hasn't heard of; mark a page before the next one."""
    while page := _letters(client, f"WHERE {_WAITING} ORDER BY {_PLACE} LIMIT {_PAGE}", selection):
        yield page


def count_waiting(client: Client, selection: Selection) -> int:
    """Return how many letters `waiting_letters` would yield."""
    sql = f"SELECT count() FROM dead_letters FINAL WHERE {_WAITING}"  # noqa: S608 - text of ours
    return int(client.query(sql, parameters=selection.parameters).result_rows[0][0])


def mark_replayed(client: Client, letters: Sequence[DeadLetter], replays: Sequence[int]) -> None:
    """Note how often each letter was sent again by now."""
    client.insert_arrow(
        "dead_letter_replays", pa.table({**_places(letters), "replays": pa.array(replays, pa.uint32())})
    )


def _places(letters: Sequence[DeadLetter]) -> dict[str, pa.Array]:
    return {
        "dlq_topic": pa.array([letter.topic for letter in letters], pa.utf8()),
        "dlq_partition": pa.array([letter.partition for letter in letters], pa.uint32()),
        "dlq_offset": pa.array([letter.offset for letter in letters], pa.uint64()),
        "dlq_index": pa.array([letter.index for letter in letters], pa.uint32()),
    }


def _letters(client: Client, condition: str, selection: Selection) -> list[DeadLetter]:
    table = client.query_arrow(
        f"SELECT {_PLACE}, toString(dlq_topic) AS topic, toString(dlq_reason) AS reason, "  # noqa: S608 - text of ours
        f"toUnixTimestamp64Milli(dlq_timestamp) AS at_ms, key, value, "
        f"headers.1 AS names, headers.2 AS texts FROM dead_letters FINAL {condition}",
        parameters=selection.parameters,
        settings={"output_format_arrow_string_as_string": 0},
    )
    return [
        DeadLetter(
            topic=row["topic"].decode(),
            partition=row["dlq_partition"],
            offset=row["dlq_offset"],
            index=row["dlq_index"],
            reason=row["reason"].decode(),
            at_ms=row["at_ms"],
            key=row["key"] or None,
            value=row["value"],
            headers=[(n.decode("utf-8", "replace"), t) for n, t in zip(row["names"], row["texts"], strict=True)],
        )
        for row in table.to_pylist()
    ]
