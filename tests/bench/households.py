"""A log of people with one to four devices who log in before, amid or after what they do, and what it must come to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Households", "Ids"]

_EVENTS = ("Product Viewed", "Product Clicked", "Product Added", "Article Read")
_PRODUCTS, _CATEGORIES = 2_000, 16
_START = datetime(2026, 1, 5, tzinfo=UTC)
_CHUNK = 20_000
_SHARED, _NEVER = 0.01, 0.05
#: What an event names: the device, both, the user.
_DEVICE, _BOTH, _USER = range(3)

Ints = npt.NDArray[np.int64]
#: What events name: the user on each and nothing else; one id each, the user where it was both; both where both are
#: known, so that devices are linked to users.
Ids = Literal["user", "one", "both"]


@dataclass(frozen=True)
class Truth:
    """What the profiles must be.

    Attributes
    ----------
    exact : dict
        Events of everybody who neither uses nor lent a shared device.
    at_least, at_most : dict
        The same of the others: the anonymous events of a shared device are its first user's until the second one comes,
        in the order in which the device's owner hears of them.
    pairs : set
        (user, device) that may be merged.
    merged : int
        Devices that must have exactly one user.
    """

    exact: dict[str, int]
    at_least: dict[str, int]
    at_most: dict[str, int]
    pairs: set[tuple[str, str]]
    merged: int


class Households:
    """`events` events of `people` people, in order of time, each with a key that a producer might choose.

    A device has a login (an event that names both) at a random place among its events, first and last included; 5 % of
    devices never see one, 1 % are used by a second person as well.
    """

    def __init__(self, events: int, people: int, seed: int = 7) -> None:
        rng = np.random.default_rng(seed)
        devices_of = rng.integers(1, 5, people)
        owner = np.repeat(np.arange(people), devices_of)
        n = len(owner)
        self._device = rng.integers(0, n, events)
        order = np.argsort(self._device, kind="stable")
        size = np.bincount(self._device, minlength=n)
        starts = np.concatenate(([0], np.cumsum(size)[:-1]))
        rank = np.empty(events, np.int64)
        rank[order] = np.arange(events) - starts[self._device[order]]
        login = (rng.random(n) * np.maximum(size, 1)).astype(np.int64)
        never = rng.random(n) < _NEVER
        login[never] = events
        # The second user of a shared device logs in somewhere behind the first.
        shared = (rng.random(n) < _SHARED) & ~never & (size - login > 1)
        visit = np.where(shared, login + 1 + (rng.random(n) * np.maximum(size - login - 1, 1)).astype(np.int64), events)
        guest = (owner + 1 + rng.integers(0, people - 1, n)) % people
        # Nobody sees more than five devices: all is in one week, and a sixth would be refused.
        visits = np.bincount(guest[shared], minlength=people)
        shared &= (devices_of + visits)[guest] <= 5
        visit[~shared] = events
        at_login, behind = rank == login[self._device], rank > login[self._device]
        at_visit = rank == visit[self._device]
        habit = rng.choice([_DEVICE, _BOTH, _USER], events, p=[0.25, 0.5, 0.25])
        self._names = np.where(at_login | at_visit, _BOTH, np.where(behind, habit, _DEVICE))
        self._person = np.where(at_visit, guest[self._device], owner[self._device])
        self._product = rng.integers(0, _PRODUCTS, events)
        self._event = rng.integers(0, len(_EVENTS), events)
        self._key = rng.integers(0, 3, events)
        self.events, self.people = events, people
        self._seen = size > 0
        self._logins = (owner, never, shared, guest)

    def chunks(self, ids: Ids) -> Iterator[list[tuple[bytes | None, bytes]]]:
        """Yield (key, value)."""
        columns = zip(
            self._person.tolist(), self._device.tolist(), self._names.tolist(), self._product.tolist(),
            self._event.tolist(), self._key.tolist(), strict=True,
        )  # fmt: skip
        chunk: list[tuple[bytes | None, bytes]] = []
        for number, (person, device, names, product, event, key) in enumerate(columns):
            at = (_START + timedelta(milliseconds=50 * number)).isoformat(timespec="milliseconds")[:-6]
            user, anonymous = f"u{person}", f"d{device}"
            named = f'"userId":"{user}"'
            if names == _DEVICE and ids != "user":
                named = f'"anonymousId":"{anonymous}"'
            elif names == _BOTH and ids == "both":
                named += f',"anonymousId":"{anonymous}"'
            value = (
                f'{{"type":"track","event":"{_EVENTS[event]}",{named},"messageId":"m{number}","timestamp":"{at}Z",'
                f'"properties":{{"product_id":"p{product}","name":"Title of {product}",'
                f'"category":"c{product % _CATEGORIES}","price":{product % 97 + 0.5}}}}}'
            )
            chunk.append(((user.encode(), anonymous.encode(), None)[key], value.encode()))
            if len(chunk) == _CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def counts(self, ids: Ids) -> dict[str, int]:
        """Return events per profile where nothing is merged."""
        by_device = np.full(self.events, ids == "one") & (self._names == _DEVICE)
        users = np.bincount(self._person[~by_device], minlength=self.people)
        devices = np.bincount(self._device[by_device])
        found = {f"u{p}": int(users[p]) for p in np.flatnonzero(users)}
        return found | {f"anon:d{d}": int(devices[d]) for d in np.flatnonzero(devices)}

    def truth(self) -> Truth:
        """Work out what must come of it."""
        owner, never, shared, guest = self._logins
        alone = (self._names == _DEVICE) & never[self._device]
        open_ = (self._names == _DEVICE) & shared[self._device]
        sure = ~alone & ~open_
        users = np.bincount(self._person[sure], minlength=self.people)
        lone = np.bincount(self._device[alone], minlength=len(owner))
        between = np.bincount(self._device[open_], minlength=len(owner))
        most = users + np.bincount(owner, between, self.people).astype(np.int64)
        most += np.bincount(guest[shared], between[shared], self.people).astype(np.int64)
        touched = np.zeros(self.people, np.bool_)
        touched[owner[shared]] = touched[guest[shared]] = True
        exact = {f"u{p}": int(users[p]) for p in np.flatnonzero((users > 0) & ~touched)}
        exact |= {f"anon:d{d}": int(lone[d]) for d in np.flatnonzero(lone)}
        at_least = {f"u{p}": int(users[p]) for p in np.flatnonzero(touched)}
        at_most = {f"u{p}": int(most[p]) for p in np.flatnonzero(touched)}
        at_least |= {f"anon:d{d}": 0 for d in np.flatnonzero(shared)}
        at_most |= {f"anon:d{d}": int(between[d]) for d in np.flatnonzero(shared)}
        linked = np.flatnonzero(~never & self._seen)
        pairs = {(f"u{owner[d]}", f"anon:d{d}") for d in linked.tolist()}
        pairs |= {(f"u{guest[d]}", f"anon:d{d}") for d in np.flatnonzero(shared).tolist()}
        return Truth(exact, at_least, at_most, pairs, len(linked))
