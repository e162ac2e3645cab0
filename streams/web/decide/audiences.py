"""Audiences: saved definitions, and who belongs to them now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from clickhouse_connect.driver.client import Client

from streams.web.decide.conditions import Condition, Definition, Where
from streams.web.read._rows import rows
from streams.web.read.people import PersonRow

__all__ = [
    "Audience", "AudienceSize", "audience", "audience_people", "audience_size", "audiences", "delete_audience",
    "save_audience",
]  # fmt: skip

_SAVED = """
SELECT name, definition, saved_at FROM audiences FINAL WHERE NOT deleted AND ({all:Bool} OR name = {name:String})
ORDER BY name
"""
_SIZE = "SELECT countIf({where}), countIf({where} AND {consent}), count() FROM current_profiles"
_PEOPLE = """
SELECT profile_id, segment, event_count, last_seen, traits FROM current_profiles
WHERE profile_id > {after:String} AND {where}
ORDER BY profile_id LIMIT {most:UInt32}
"""


@dataclass(frozen=True, slots=True)
class Audience:
    """A saved audience."""

    name: str
    definition: Definition
    saved_at: datetime


@dataclass(frozen=True, slots=True)
class AudienceSize:
    """An audience and how many people belong to it now; `share` of everybody, `consenting` may leave with it."""

    audience: Audience
    people: int
    consenting: int
    share: float


def audiences(client: Client) -> list[Audience]:
    """Return all, by name."""
    return [_audience(*row) for row in rows(client, _SAVED, all=True, name="")]


def audience(client: Client, name: str) -> Audience | None:
    """Return one; None: there is none of that name."""
    found = rows(client, _SAVED, all=False, name=name)
    return _audience(*found[0]) if found else None


def audience_size(client: Client, name: str, consent: Sequence[Condition] = ()) -> AudienceSize | None:
    """Return an audience and how many people it has, and how many of them fulfil the conditions of consent."""
    found = audience(client, name)
    if found is None:
        return None
    where = Where()
    query = _SIZE.replace("{where}", where.of(found.definition))
    query = query.replace("{consent}", where.of(Definition(tuple(consent))))
    people, consenting, everybody = rows(client, query, **where.parameters)[0]
    return AudienceSize(found, people, consenting, people / everybody if everybody else 0.0)


def audience_people(
    client: Client, name: str, *, after: str = "", limit: int = 100, consent: Sequence[Condition] = ()
) -> list[PersonRow] | None:
    """Return people of an audience in the order of their ids, those after `after`; None: there is no such audience.

    Whoever doesn't fulfil all conditions of `consent` is left out.
    """
    found = audience(client, name)
    if found is None:
        return None
    where = Where()
    text = f"{where.of(found.definition)} AND {where.of(Definition(tuple(consent)))}"
    query = _PEOPLE.replace("{where}", text)
    return [PersonRow(*row) for row in rows(client, query, after=after, most=limit, **where.parameters)]


def save_audience(client: Client, name: str, definition: Definition) -> Audience:
    """Store a definition under a name, instead of the one before."""
    made = Audience(name, definition, datetime.now(UTC))
    _store(client, made, deleted=False)
    return made


def delete_audience(client: Client, name: str) -> bool:
    """Forget one; return whether it was there."""
    found = audience(client, name)
    if found is not None:
        _store(client, Audience(name, found.definition, datetime.now(UTC)), deleted=True)
    return found is not None


def _store(client: Client, one: Audience, *, deleted: bool) -> None:
    definition = msgspec.json.encode(one.definition).decode()
    names = ["name", "definition", "deleted", "saved_at"]
    client.insert("audiences", [[one.name, definition, deleted, one.saved_at]], column_names=names)


def _audience(name: str, definition: str, saved_at: datetime) -> Audience:
    return Audience(name, msgspec.json.decode(definition, type=Definition), saved_at)
