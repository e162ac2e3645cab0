"""Whose event it is, as far as the event alone tells: userId, else anonymousId; and that person's partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import xxhash

from streams.contract.event import Event

__all__ = ["Person", "Persons", "as_id", "partition_of", "profile_id_of"]

#: What broken tracking code sends instead of an id: PostHog's list of refused distinct ids, compared without case.
BLOCKED = frozenset({
    "anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email", "undefined", "true", "false",
    "null", "none", "nan", "0", "[object object]", "00000000-0000-0000-0000-000000000000", "-1", "nil", "",
})  # fmt: skip

_KEPT = 500_000
_T = TypeVar("_T")

#: (profile id, partition)
Person = tuple[str, int]


def as_id(value: object, max_bytes: int = 512) -> str:
    """Return an id as text, integers in decimal; empty for what can't be one (blocked words, NUL, too long)."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).strip()
    if (
        text.casefold().strip("\"'") in BLOCKED
        or "\0" in text
        or len(text.encode("utf-8", "surrogatepass")) > max_bytes
    ):
        return ""
    return text


def profile_id_of(user_id: object, anonymous_id: object, max_bytes: int = 512) -> str:
    """Return the id of the person: the userId, or ``anon:`` and the anonymousId; empty if there is neither."""
    user = as_id(user_id, max_bytes)
    if user:
        return user
    anonymous = as_id(anonymous_id, max_bytes)
    return f"anon:{anonymous}" if anonymous else ""


def partition_of(profile_id: str, partitions: int) -> int:
    """Return the person's partition of `userprism.clicks`: fixed for as long as the partition count is."""
    return xxhash.xxh3_64_intdigest(profile_id.encode()) % partitions


class Persons:
    """Remembers what raw ids resolve to; the memory is bounded and starts over when it is full."""

    def __init__(self, partitions: int, max_bytes: int) -> None:
        self._partitions = partitions
        self._max_bytes = max_bytes
        self._users: dict[object, Person] = {}
        self._anonymous: dict[object, Person | None] = {}

    def resolve_many(self, events: Sequence[Event]) -> list[Person | None]:
        """Return `resolve` of each event."""
        found = list(map(self._users.get, [event.user_id for event in events]))
        for i in [i for i, person in enumerate(found) if person is None]:
            found[i] = self.resolve(events[i].user_id, events[i].anonymous_id)
        return found

    def resolve(self, user_id: object, anonymous_id: object) -> Person | None:
        """Return (profile id, partition), or None for nobody."""
        user = as_id(user_id, self._max_bytes)
        if user:
            person = user, partition_of(user, self._partitions)
            _remember(self._users, user_id, person)
            return person
        if anonymous_id in self._anonymous:
            return self._anonymous[anonymous_id]
        profile_id = profile_id_of(None, anonymous_id, self._max_bytes)
        found = (profile_id, partition_of(profile_id, self._partitions)) if profile_id else None
        _remember(self._anonymous, anonymous_id, found)
        return found


def _remember(memory: dict[object, _T], key: object, value: _T) -> None:
    if len(memory) >= _KEPT:
        memory.clear()
    memory[key] = value
