"""Whose event it is, as far as the event alone tells: userId, else anonymousId; and that person's partition."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import NamedTuple

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
#: What stands where a person's number would: nobody, and not looked at yet.
_NOBODY, _UNSEEN = -1, -2

Int64s = npt.NDArray[np.int64]


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
    partitions: Int64s
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
        self._forget()

    def _forget(self) -> None:
        #: number -> profile id, and the way back
        self._people: list[str] = []
        self._partition: Int64s = np.empty(0, np.int64)
        self._identified: npt.NDArray[np.bool_] = np.empty(0, np.bool_)
        self._known: dict[str, int] = {}
        self._users: dict[str, int] = {}
        self._anonymous: dict[str, int] = {}
        self._beside: dict[str, str] = {}

    def resolve_many(self, users: Names, anonymous: Names) -> People:
        """Return who each event belongs to: its userId, else its anonymousId, whichever is an id."""
        if len(self._people) > _KEPT or len(self._users) + len(self._anonymous) > 2 * _KEPT:
            self._forget()
        numbers = np.append(self._numbers(self._users, users.values, as_id), _NOBODY)[users.codes]
        nobody = numbers == _NOBODY
        if len(anonymous.values) and nobody.any():
            of_anonymous = self._numbers(self._anonymous, anonymous.values, _anonymous_profile)
            numbers = np.where(nobody, np.append(of_anonymous, _NOBODY)[anonymous.codes], numbers)
        self._take_in()
        named = np.zeros(len(self._people) + 1, np.bool_)
        named[numbers] = True
        here = np.flatnonzero(named[:_NOBODY])  # the last place is nobody's
        places = np.full(len(named), -1, np.int32)
        places[here] = np.arange(len(here))
        names = Names(places[numbers], pa.array([self._people[number] for number in here.tolist()], pa.utf8()))
        beside = Names.nothing(len(numbers))
        if len(anonymous.values):
            beside = self._named_beside(anonymous, np.append(self._identified, False)[numbers])
        return People(names, np.append(self._partition, -1)[numbers], beside)

    def _take_in(self) -> None:
        """Note of people who are new where they belong, and whether they are identified."""
        new = self._people[len(self._partition) :]
        partitions = [partition_of(profile_id, self._partitions) for profile_id in new]
        self._partition = np.append(self._partition, np.array(partitions, np.int64))
        identified = [not profile_id.startswith(ANONYMOUS) for profile_id in new]
        self._identified = np.append(self._identified, np.array(identified, np.bool_))

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
        if found == values and "" not in found:  # as nearly always
            return Names(kept.astype(np.int32), anonymous.values)
        names = Names.of(pa.array([text or None for text in found], pa.utf8()).dictionary_encode())
        return Names(np.append(names.codes, np.int32(-1))[kept], names.values)

    def _numbers(self, memory: dict[str, int], values: pa.StringArray, read: Callable[[str, int], str]) -> Int64s:
        """Return the number of the person that each raw id names; `read` makes its profile id, empty for nobody."""
        raw = values.to_pylist()
        numbers = np.array(list(map(memory.get, raw, repeat(_UNSEEN))), np.int64)
        for i in np.flatnonzero(numbers == _UNSEEN).tolist():
            profile_id = read(raw[i], self._max_bytes)
            numbers[i] = number = self._number(profile_id) if profile_id else _NOBODY
            if len(raw[i]) <= self._max_bytes:  # half a million ids of a megabyte each are no memory's bound
                memory[raw[i]] = number
        return numbers

    def _number(self, profile_id: str) -> int:
        number = self._known.setdefault(profile_id, len(self._people))
        if number == len(self._people):
            self._people.append(profile_id)
        return number


def _anonymous_profile(value: str, max_bytes: int) -> str:
    return profile_id_of(None, value, max_bytes)
