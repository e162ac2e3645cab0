"""Rows of a query as frozen dataclasses, with aware times."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from clickhouse_connect.driver.client import Client

__all__ = ["MERGED", "UNASSIGNED", "first_segmentation", "rows", "segmentations", "utc"]

#: Labels that are no segments: nobody has looked at these people yet; this id has become part of somebody else.
UNASSIGNED, MERGED = -2, -3

_NAMES = """
SELECT toString(segmentation) AS first, arrayMap(o -> o.1, other_people) AS others
FROM profiles FINAL
WHERE startsWith(profile_id, '\\0position/') AND kind = 'position'
ORDER BY version DESC
LIMIT 1
"""

_first: WeakKeyDictionary[Client, str] = WeakKeyDictionary()


def rows(client: Client, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Run a query with parameters; times come back aware."""
    found: Sequence[Sequence[Any]] = client.query(query, parameters=parameters).result_rows
    return [tuple(utc(value) for value in row) for row in found]


def utc(value: Any) -> Any:
    """Return a naive datetime, which ClickHouse means as UTC, as an aware one; anything else as it is."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def segmentations(client: Client) -> list[str]:
    """Return the segmentations of the newest commit, the first one first."""
    found = rows(client, _NAMES)
    return [found[0][0], *dict.fromkeys(found[0][1])] if found else []


def first_segmentation(client: Client, wanted: str) -> str:
    """Return `wanted`, or the first segmentation where it is empty (also empty while nothing was committed)."""
    if wanted:
        return wanted
    if client not in _first:
        found = segmentations(client)
        if not found:
            return ""
        _first[client] = found[0]  # as long as the stack runs: the settings say which it is
    return _first[client]
