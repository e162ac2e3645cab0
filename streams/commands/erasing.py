"""Erasing a person: the order in the log, the rows in ClickHouse, and when topics will have forgotten."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from streams.contract import Erase, partition_of
from streams.contract.control import id_hash
from streams.errors import UnavailableError
from streams.kafka import end_offsets, topic_settings
from streams.roles.orders import order_erase
from streams.serving.people import links_of
from streams.settings import Settings
from streams.storage import erasures as table
from streams.storage.client import connect

__all__ = ["erase", "erasures", "erasures_text"]

#: What a broker keeps a topic for unless it is told otherwise.
_DEFAULT_RETENTION_MS = 7 * 86_400_000
_WAIT_S = 60.0
_LOOK_S = 0.2


def erase(settings: Settings, profile_id: str, *, suppress: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Erase a person and the ids that are part of it.

    Raises
    ------
    UnavailableError
        No profiler has carried it out in time; the order stays in the log, and the same command again goes on.
    """
    with connect(settings) as client:
        merged = {str(link["anonymous"]) for link in links_of(client, profile_id) if link["what"] == "merged"}
        ids = [profile_id, *sorted(merged)]
        now = datetime.now(UTC)
        forgotten = now + timedelta(milliseconds=_retention_ms(settings))
        name = uuid.uuid4().hex
        rows = [table.Erasure(name, id_hash(one), suppress, "asked", 0, 0, now, forgotten) for one in ids]
        for row in rows:
            table.save_erasure(client, row)
        touched = table.touched_by(client, ids)
        order_erase(settings, [Erase(name, one, suppress, int(now.timestamp() * 1e6)) for one in ids])
        say(f"ordered for {len(ids)} ids; waiting for the profiler")
        _wait_for_owners(settings, client, ids)
        deleted = table.erase_rows(client, ids)
        content = table.erase_content(client, touched)
        left = table.survivors(client, ids)
        for row in rows:
            table.save_erasure(client, replace(row, status="running", deleted=deleted, survivors=left))
    return {
        "erasure": name,
        "status": "running",
        "ids": len(ids),
        "rows_deleted": deleted,
        "content_deleted": content,
        "survivors": left,
        "suppress": suppress,
        "topics_forget_by": forgotten.isoformat(timespec="seconds"),
    }


def erasures(settings: Settings) -> list[dict[str, Any]]:
    """Bring those to their end whose topics have forgotten, and return all."""
    with connect(settings) as client:
        table.end_erasures(client, datetime.now(UTC))
        return [
            {
                "erasure": row.erasure, "id_hash": row.id_hash, "suppress": row.suppress, "status": row.status,
                "rows_deleted": row.deleted, "survivors": row.survivors,
                "topics_forget_by": row.retained_until.isoformat(timespec="seconds"),
            }
            for row in table.erasures(client)
        ]  # fmt: skip


def erasures_text(found: list[dict[str, Any]]) -> str:
    """Show them."""
    return (
        "\n".join(
            f"{row['erasure']}  {row['status']:8} {row['rows_deleted']:>8,} rows deleted, {row['survivors']:,} left, "
            f"topics forget by {row['topics_forget_by']}" + ("  suppressed" if row["suppress"] else "")
            for row in found
        )
        or "nobody was erased"
    )


def _wait_for_owners(settings: Settings, client: Any, ids: list[str]) -> None:
    """Wait until the last commit of every partition concerned lies behind its order."""
    ends = end_offsets(settings, settings.kafka.topics.clicks)
    wanted = {p: ends[p] for p in {partition_of(one, settings.kafka.partitions) for one in ids}}
    deadline = time.monotonic() + _WAIT_S
    while any(table.position_of(client, p) < end for p, end in wanted.items()):
        if time.monotonic() > deadline:
            msg = (
                f"no profiler has carried out the order within {_WAIT_S:.0f} s; it stays in the log. Start one "
                "(`userprism profiler`), then run the same command again"
            )
            raise UnavailableError(msg)
        time.sleep(_LOOK_S)


def _retention_ms(settings: Settings) -> int:
    """Return how long the topics keep what was written until now."""
    topics = settings.kafka.topics
    kept = topic_settings(settings, (topics.events, *topics.owned()), "retention.ms").values()
    return max(settings.kafka.clicks_retention_s * 1000, *(int(ms or _DEFAULT_RETENTION_MS) for ms in kept))
