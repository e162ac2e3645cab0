"""One person, by any of their ids, and lists of people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from streams.serving.people import holder_of, person_of
from streams.web.read._rows import MERGED, first_segmentation, rows
from streams.web.read.content import ContentPiece, content_pieces

__all__ = ["Change", "Link", "Person", "PersonRow", "holder", "people", "person"]

_PERSON = """
SELECT profile_id, segments, segment_since, event_count, first_seen, last_seen, traits, features, updated_at,
       model_version
FROM current_profiles WHERE profile_id = {id:String}
"""
_TOUCHED = "SELECT touched FROM profiles FINAL WHERE profile_id = {id:String}"
_LINKS = """
SELECT anonymous, argMax(what, (kafka_offset, item)), argMax(reason, (kafka_offset, item)), min(at) AS first, max(at)
FROM identity_links FINAL WHERE profile_id = {id:String} GROUP BY anonymous ORDER BY first
"""
#: Rows of an absorbed id belong to the person below the version that its override says.
_OVERRIDES = """
SELECT profile_id, person, below_version FROM identity_overrides FINAL
WHERE profile_id IN {ids:Array(String)} ORDER BY profile_id, below_version
"""
_CHANGES = """
SELECT profile_id, version, at, committed_at, from_segment, to_segment, model_version
FROM segment_changes FINAL
WHERE profile_id IN {ids:Array(String)} AND segmentation IN {names:Array(String)} AND to_segment != {merged:Int64}
ORDER BY at DESC, version DESC
LIMIT {most:UInt32}
"""
_PEOPLE = """
SELECT profile_id, {label} AS label, event_count, last_seen, traits
FROM current_profiles
WHERE profile_id > {after:String} AND ({all:Bool} OR label = {segment:Int64})
ORDER BY profile_id
LIMIT {most:UInt32}
"""
_MOST_CHANGES, _MOST_TOUCHES = 200, 24


@dataclass(frozen=True, slots=True)
class Change:
    """A change of segment: `at` in event time, `committed_at` when it was stored; `profile_id` is the id it came to."""

    at: datetime
    committed_at: datetime
    from_segment: int
    to_segment: int
    model_version: int
    profile_id: str


@dataclass(frozen=True, slots=True)
class Link:
    """How an anonymous id stands to the person: `status` merged, refused (and `why`), split, undone."""

    anonymous: str
    status: str
    why: str
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Person:
    """Everything that is shown of one person; `asked_for` is the id that found them; `changes` newest first."""

    profile_id: str
    asked_for: str
    segments: dict[str, int]
    segment_since: datetime
    event_count: int
    first_seen: datetime
    last_seen: datetime
    traits: dict[str, str]
    features: dict[str, float]
    updated_at: datetime
    model_version: int
    links: list[Link]
    changes: list[Change]
    touches: list[ContentPiece]


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A line of a list of people."""

    profile_id: str
    segment: int
    event_count: int
    last_seen: datetime
    traits: dict[str, str]


def person(client: Client, any_id: str, segmentation: str = "") -> Person | None:
    """Return the person who has an id now; None: nobody has. `changes` are those of one segmentation."""
    found = rows(client, _PERSON, id=any_id) or rows(client, _PERSON, id=holder_of(client, any_id))
    if not found:
        return None
    profile_id = str(found[0][0])
    links = [Link(*row) for row in rows(client, _LINKS, id=profile_id)]
    ids = [profile_id, *(link.anonymous for link in links if link.status != "refused")]
    touched = rows(client, _TOUCHED, id=profile_id)[0][0]
    shown = content_pieces(client, touched[-_MOST_TOUCHES:])
    beside: tuple[Any, ...] = (
        links,
        _changes(client, profile_id, ids, first_segmentation(client, segmentation)),
        [shown[str(content)] for content in reversed(touched[-_MOST_TOUCHES:]) if str(content) in shown],
    )
    return Person(found[0][0], any_id, *found[0][1:], *beside)


def holder(client: Client, any_id: str) -> str:
    """Return the profile that shows an id, or the id itself where nobody has it."""
    return person_of(client, any_id)


def people(
    client: Client, *, segment: int | None = None, segmentation: str = "", after: str = "", limit: int = 50
) -> list[PersonRow]:
    """Return people in the order of their ids, those after `after`; of one segment, or all."""
    label = "segments[{segmentation:String}]" if segmentation else "segment"
    asked = {"after": after, "all": segment is None, "segment": segment or 0, "most": limit}
    found = rows(client, _PEOPLE.replace("{label}", label), segmentation=segmentation, **asked)
    return [PersonRow(*row) for row in found]


def _changes(client: Client, profile_id: str, ids: Sequence[str], name: str) -> list[Change]:
    overrides: dict[str, list[tuple[int, str]]] = {}
    for of, holder, below in rows(client, _OVERRIDES, ids=list(ids)):
        overrides.setdefault(of, []).append((below, holder))
    found = rows(client, _CHANGES, ids=list(ids), names=[name, ""], merged=MERGED, most=_MOST_CHANGES)
    return [_change(row) for row in found if _holder(row[0], row[1], overrides) == profile_id]


def _holder(of: str, version: int, overrides: dict[str, list[tuple[int, str]]]) -> str:
    return next((holder for below, holder in overrides.get(of, []) if version < below), of)


def _change(row: Sequence[Any]) -> Change:
    of, _version, at, committed_at, old, new, model_version = row
    return Change(at, committed_at, old, new, model_version, of)
