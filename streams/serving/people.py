"""Whose an id is, and how ids came together."""

from __future__ import annotations

from typing import Any

from clickhouse_connect.driver.client import Client

__all__ = ["holder_of", "links_of", "newest_of", "person_of"]

#: Who has the id now; a user that lost it has another status.
_HOLDER = """
SELECT profile_id FROM current_links WHERE anonymous = {id:String} AND status = 'merged' ORDER BY last_at DESC LIMIT 1
"""
_IS_A_PERSON = "SELECT count() FROM current_profiles WHERE profile_id = {id:String}"
_NEWEST = """
SELECT anonymous
FROM (SELECT anonymous, argMax(what, (kafka_offset, item)) AS status, max((kafka_offset, item)) AS place
      FROM identity_links WHERE profile_id = {id:String} GROUP BY anonymous)
WHERE status = 'merged' ORDER BY place DESC LIMIT 1
"""
_LINKS = """
SELECT anonymous, what, reason, at, message_hash, committed_at
FROM identity_links FINAL
WHERE profile_id = {id:String}
ORDER BY kafka_offset, item
"""


def holder_of(client: Client, anonymous: str) -> str:
    """Return the user that an anonymous id is part of; empty: nobody."""
    rows = client.query(_HOLDER, parameters={"id": anonymous}).result_rows
    return str(rows[0][0]) if rows else ""


def person_of(client: Client, profile_id: str) -> str:
    """Return the profile that shows an id: its own, or that of the user it is part of."""
    if client.query(_IS_A_PERSON, parameters={"id": profile_id}).result_rows[0][0]:
        return profile_id
    return holder_of(client, profile_id) or profile_id


def newest_of(client: Client, user: str) -> str:
    """Return the anonymous id that became part of a user last, of those that still are; empty: none is."""
    rows = client.query(_NEWEST, parameters={"id": user}).result_rows
    return str(rows[0][0]) if rows else ""


def links_of(client: Client, profile_id: str) -> list[dict[str, Any]]:
    """Return what happened to a user's links, oldest first."""
    return list(client.query(_LINKS, parameters={"id": profile_id}).named_results())
