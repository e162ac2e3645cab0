"""Whose event it is, as far as the event alone tells: userId, else anonymousId; and that person's partition."""

from __future__ import annotations

from itertools import repeat
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from streams.contract.block import Names

__all__ = ["ANONYMOUS", "People", "Persons", "as_id", "partition_of", "profile_id_of"]

#: What broken tracking code sends instead of an id: PostHog's list of refused distinct ids, compared without case.
BLOCKED = frozenset({
    "anonymous", "guest", "distinctid", "distinct_id", "id", "not_authenticated", "email", "undefined", "true", "false",
    "null", "none", "nan", "0", "[object object]", "00000000-0000-0000-0000-000000000000", "-1", "nil", "",
})  # fmt: skip

#: What the profile id of a person without a userId begins with.
ANONYMOUS = "anon:"
_KEPT = 500_000

#: (profile id, partition)
Person = tuple[str, int]
_UNSEEN: Person = ("", -1)


class People(NamedTuple):
    """Whose the events of a batch are.

    Attributes
    ----------
    names : Names
        Profile ids; code -1 for nobody.
    partitions : ndarray of int64, shape (events,)
        Of `userprism.clicks`; -1 for nobody.
    anonymous : Names
        The anonymousId beside a userId, as it came; code -1 where there aren't both.
    """

    names: Names
    partitions: npt.NDArray[np.int64]
    anonymous: Names


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
    """Return the id of the person: the userId, or ``anon:`` and the anonymousId; empty if there is neither.

    A userId that begins with ``anon:`` names an anonymous person: nobody is identified by it.
    """
    user = as_id(user_id, max_bytes)
    if user:
        return user
    anonymous = as_id(anonymous_id, max_bytes)
    return f"{ANONYMOUS}{anonymous}" if anonymous else ""


def partition_of(profile_id: str, partitions: int) -> int:
    """Return the person's partition of `userprism.clicks`: fixed for as long as the partition count is."""
    return xxhash.xxh3_64_intdigest(profile_id.encode()) % partitions


class Persons:
    """Remembers what raw ids resolve to; the memory is bounded and starts over when it is full."""

    def __init__(self, partitions: int, max_bytes: int) -> None:
        self._partitions = partitions
        self._max_bytes = max_bytes
        self._users: dict[str, Person | None] = {}
        self._anonymous: dict[str, Person | None] = {}
        self._beside: dict[str, str] = {}

    def resolve_many(self, users: Names, anonymous: Names) -> People:
        """Return who each event belongs to, given its userId and its anonymousId; see `resolve`."""
        found = [*self._resolved(self._users, users.values.to_pylist(), "userId"), None]  # None for code -1
        codes = users.codes
        nobody = np.array([person is None for person in found], np.bool_)[codes]
        identified = np.array(
            [person is not None and not person[0].startswith(ANONYMOUS) for person in found], np.bool_
        )
        beside = self._named_beside(anonymous, identified[codes])
        if nobody.any() and len(anonymous.values):
            codes = np.where(nobody & (anonymous.codes >= 0), len(found) + anonymous.codes, np.where(nobody, -1, codes))
            found += [*self._resolved(self._anonymous, anonymous.values.to_pylist(), "anonymousId"), None]
        partitions = np.array([-1 if person is None else person[1] for person in found], np.int64)
        ids = pa.array([None if person is None else person[0] for person in found], pa.utf8()).dictionary_encode()
        distinct = Names.of(ids)
        return People(Names(distinct.codes[codes], distinct.values), partitions[codes], beside)

    def _named_beside(self, anonymous: Names, identified: npt.NDArray[np.bool_]) -> Names:
        """Keep anonymousIds of identified people, blocked words included: whoever links them says so."""
        kept = np.where(identified, anonymous.codes, -1)
        if not (kept >= 0).any():
            return Names.nothing(len(kept))
        values = anonymous.values.to_pylist()
        found = list(map(self._beside.get, values))
        for i in [i for i, text in enumerate(found) if text is None]:
            if len(self._beside) >= _KEPT:
                self._beside.clear()
            text = values[i].strip()
            usable = "\0" not in text and len(text.encode("utf-8", "surrogatepass")) <= self._max_bytes
            found[i] = known = text if usable else ""
            if len(values[i]) <= self._max_bytes:
                self._beside[values[i]] = known
        names = Names.of(pa.array([text or None for text in found], pa.utf8()).dictionary_encode())
        return Names(np.append(names.codes, np.int32(-1))[kept], names.values)

    def _resolved(
        self, memory: dict[str, Person | None], values: list[str], kind: Literal["userId", "anonymousId"]
    ) -> list[Person | None]:
        found = list(map(memory.get, values, repeat(_UNSEEN)))
        for i in [i for i, person in enumerate(found) if person is _UNSEEN]:
            if len(memory) >= _KEPT:
                memory.clear()
            user, anonymous = (values[i], None) if kind == "userId" else (None, values[i])
            profile_id = profile_id_of(user, anonymous, self._max_bytes)
            person = (profile_id, partition_of(profile_id, self._partitions)) if profile_id else None
            found[i] = person
            if len(values[i]) <= self._max_bytes:  # half a million ids of a megabyte each are no memory's bound
                memory[values[i]] = person
        return found
