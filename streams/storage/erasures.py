"""Erasure in ClickHouse: what names a person goes, what is left is counted, the table `erasures` says how it stands.

Whatever has a column `profile_id` is swept, so a table that comes later is too. The empty row of the person in
`profiles` stays until topics have forgotten the id as well: it keeps an older block from bringing the person back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from streams.contract.control import id_hash

__all__ = [
    "Erasure", "drop_tombstones", "end_erasures", "erase_content", "erase_rows", "erasures", "position_of",
    "save_erasure", "suppressed_hashes", "survivors", "tombstones", "touched_by",
]  # fmt: skip

_WAIT = {"mutations_sync": 2, "alter_sync": 2}
_PLACE = "dlq_topic, dlq_partition, dlq_offset, dlq_index"
_EMPTY = "kind = 'person' AND event_count = 0"
_OF_LETTER = "(has({raw:Array(String)}, key) OR arrayExists(id -> position(value, id) > 0, {quoted:Array(String)}))"


@dataclass(frozen=True, slots=True)
class Erasure:
    """A row of `erasures`."""

    erasure: str
    id_hash: str
    suppress: bool
    status: str
    deleted: int
    survivors: int
    asked_at: datetime
    retained_until: datetime


def erase_rows(client: Client, profile_ids: Sequence[str]) -> int:
    """Delete every row that names these ids, but their empty rows; return how many there were.

    A mutation's text stays in a file beside the table for long: it names hashes and places, never an id.
    """
    there = survivors(client, profile_ids)
    for table, condition in _conditions(client):
        client.command(f"ALTER TABLE {table} DELETE WHERE {condition}", parameters=_hashes(profile_ids), settings=_WAIT)
    places = client.query(
        f"SELECT {_PLACE} FROM dead_letters WHERE {_OF_LETTER}",  # noqa: S608 - text of ours
        parameters=_texts(profile_ids),
    ).result_rows
    for place in places:
        client.command(
            "ALTER TABLE dead_letters DELETE WHERE dlq_topic = {topic:String} AND dlq_partition = {partition:UInt32} "
            "AND dlq_offset = {offset:UInt64} AND dlq_index = {index:UInt32}",
            parameters=dict(zip(("topic", "partition", "offset", "index"), place, strict=True)),
            settings=_WAIT,
        )
    # Old rows of `profiles` that a newer one replaces, and position rows that name links, go with the next merge: now.
    client.command("OPTIMIZE TABLE profiles FINAL")
    return there


def survivors(client: Client, profile_ids: Sequence[str]) -> int:
    """Return how many rows still name these ids, but for their empty rows."""
    asked = [(table, condition, _hashes(profile_ids)) for table, condition in _conditions(client)]
    total = 0
    for table, condition, parameters in [*asked, ("dead_letters", _OF_LETTER, _texts(profile_ids))]:
        counted = client.query(
            f"SELECT count() FROM {table} WHERE {condition}",  # noqa: S608 - names from system.columns
            parameters=parameters,
        ).result_rows
        total += int(counted[0][0])
    return total


def erase_content(client: Client, content_ids: Sequence[int]) -> int:
    """Delete content, with its vectors, that nobody touches any more; return how many pieces."""
    if not content_ids:
        return 0
    held = client.query(
        "SELECT DISTINCT arrayJoin(touched) AS id FROM profiles FINAL WHERE hasAny(touched, {ids:Array(UInt64)})",
        parameters={"ids": list(content_ids)},
    ).result_rows
    alone = sorted(set(content_ids) - {int(row[0]) for row in held})
    client.command(
        "ALTER TABLE content DELETE WHERE has({ids:Array(UInt64)}, content_id)",
        parameters={"ids": alone},
        settings=_WAIT,
    )
    return len(alone)


def touched_by(client: Client, profile_ids: Sequence[str]) -> list[int]:
    """Return the content these people touched."""
    rows = client.query(
        "SELECT DISTINCT arrayJoin(touched) FROM profiles FINAL WHERE has({ids:Array(String)}, profile_id)",
        parameters={"ids": list(profile_ids)},
    ).result_rows
    return [int(row[0]) for row in rows]


def position_of(client: Client, partition: int) -> int:
    """Return the next offset of a partition of `userprism.clicks`."""
    rows = client.query(
        "SELECT next_offset FROM positions WHERE kafka_partition = {partition:UInt32}",
        parameters={"partition": partition},
    ).result_rows
    return int(rows[0][0]) if rows else 0


def tombstones(client: Client, hashes: Iterable[str]) -> list[str]:
    """Return the ids of empty rows with these hashes."""
    rows = client.query(
        f"SELECT DISTINCT profile_id FROM profiles FINAL WHERE {_EMPTY} "  # noqa: S608 - text of ours
        "AND has({hashes:Array(String)}, lower(hex(SHA256(profile_id))))",
        parameters={"hashes": list(hashes)},
    ).result_rows
    return [str(row[0]) for row in rows]


def drop_tombstones(client: Client, hashes: Sequence[str]) -> None:
    """Delete the empty rows of ids with these hashes: nothing is left that could come back."""
    client.command(
        f"ALTER TABLE profiles DELETE WHERE {_EMPTY} AND {_hashed('profile_id')}",
        parameters={"hashes": list(hashes)},
        settings=_WAIT,
    )


def end_erasures(client: Client, now: datetime) -> int:
    """Bring those to their end whose topics have forgotten by `now` (aware); return how many were looked at."""
    due = [row for row in erasures(client) if row.status == "running" and row.retained_until <= now]
    for row in due:
        ids = tombstones(client, [row.id_hash])
        # Written in the moment in which the rest was deleted; nobody of that id came since.
        late = erase_rows(client, ids) if survivors(client, ids) else 0
        left = survivors(client, ids)
        drop_tombstones(client, [row.id_hash])
        status = "running" if left else "done"
        save_erasure(client, replace(row, status=status, deleted=row.deleted + late, survivors=left))
    return len(due)


def save_erasure(client: Client, row: Erasure) -> None:
    """Say how an erasure stands."""
    names = list(Erasure.__slots__)
    client.insert("erasures", [[getattr(row, name) for name in names]], column_names=names)


def erasures(client: Client) -> list[Erasure]:
    """Return all, the newest first."""
    names = ", ".join(Erasure.__slots__)
    rows = client.query(f"SELECT {names} FROM erasures FINAL ORDER BY asked_at DESC").result_rows  # noqa: S608 - names of ours
    fields: list[list[Any]] = [[_utc(value) if isinstance(value, datetime) else value for value in row] for row in rows]
    return [Erasure(*row) for row in fields]


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


def suppressed_hashes(client: Client) -> frozenset[str]:
    """Return the hashes of ids whose events are to be dropped."""
    rows = client.query("SELECT DISTINCT id_hash FROM erasures FINAL WHERE suppress").result_rows
    return frozenset(str(row[0]) for row in rows)


def _conditions(client: Client) -> list[tuple[str, str]]:
    """Return (table, condition) of every table with a column that names people."""
    rows = client.query(
        "SELECT c.table, groupArray(c.name) FROM system.columns AS c INNER JOIN system.tables AS t "
        "ON t.database = c.database AND t.name = c.table WHERE c.database = currentDatabase() "
        "AND t.engine LIKE '%MergeTree' AND c.name IN ('profile_id', 'anonymous', 'person') "
        "GROUP BY c.table ORDER BY c.table"
    ).result_rows
    found = []
    for table, columns in rows:
        named = " OR ".join(map(_hashed, columns))
        found.append((str(table), f"({named})" + (f" AND NOT ({_EMPTY})" if table == "profiles" else "")))
    return found


def _hashed(column: str) -> str:
    return f"has({{hashes:Array(String)}}, lower(hex(SHA256({column}))))"


def _hashes(profile_ids: Sequence[str]) -> dict[str, object]:
    return {"hashes": [id_hash(profile_id) for profile_id in profile_ids]}


def _texts(profile_ids: Sequence[str]) -> dict[str, object]:
    raw = [profile_id.removeprefix("anon:") for profile_id in profile_ids]
    return {"raw": raw, "quoted": [f'"{text}"' for text in raw]}
