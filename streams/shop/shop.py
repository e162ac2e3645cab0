"""People, their habits, and the events these lead to; every event is published in an order in which the truth holds.

Eight personas: four pairs. The two of a pair read about the same theme and differ in how they use the shop (when, how
much, how dearly); each habit is shared with personas of other themes. Neither content nor counts alone tells them all
apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from streams.shop.broken import broken_events
from streams.shop.catalogue import THEMES, Catalogue
from streams.shop.truth import Truth

__all__ = ["PERSONAS", "Message", "Shop"]

Floats = npt.NDArray[np.float64]
Message = tuple[bytes | None, bytes]

PERSONAS = 8
_DAY_US = 86_400_000_000
_DAYS = 14
_NOISE, _BROKEN, _REPEATED, _LATE = 0.20, 0.01, 0.01, 0.02
_CATEGORIES = ("sale", "new", "gifts", "seasonal", "classics", "refurbished")
_DEVICES = ("mobile", "desktop", "tablet")
_COUNTRIES = ("DE", "CN", "US", "FR", "SG")
_EVENTS = (
    "Product Viewed", "Product Clicked", "Product Added", "Order Completed", "Product Added to Wishlist", "Article Read",
)  # fmt: skip


@dataclass(frozen=True)
class _Habit:
    """How somebody uses the shop."""

    hour: float
    price: float
    events: tuple[float, ...]
    categories: tuple[float, ...]


#: When (peak hour UTC), how dearly (factor on prices), what they do, and which shelves they stand at.
_HABITS = (
    _Habit(9.0, 0.6, (0.50, 0.25, 0.03, 0.01, 0.15, 0.06), (0.65, 0.07, 0.07, 0.07, 0.07, 0.07)),
    _Habit(20.5, 1.9, (0.34, 0.12, 0.26, 0.18, 0.04, 0.06), (0.07, 0.65, 0.07, 0.07, 0.07, 0.07)),
)


class Shop:
    """A shop whose clickstream is known in every detail.

    Parameters
    ----------
    seed : int
        The same seed gives the same people and the same events.
    people : int
        How many there are.
    end_us : int
        The newest event is just before this time (us UTC).
    """

    def __init__(self, seed: int = 7, people: int = 10_500, end_us: int | None = None) -> None:
        self._random = np.random.default_rng(seed)
        self.catalogue = Catalogue.make(self._random)
        self._seed = seed
        self._end_us = end_us if end_us is not None else 1_790_000_000_000_000
        random = self._random
        self.personas = random.integers(0, PERSONAS, people)
        self._ids = [f"shopper-{i}" if i % 10 else f"visitor-{i}" for i in range(people)]
        self._anonymous = np.arange(people) % 10 == 0
        themes, habits = self.personas // 2, self.personas % 2
        # Everybody mixes the persona's taste with their own.
        ideal_theme = np.full((people, len(THEMES)), 0.07)
        ideal_theme[np.arange(people), themes] = 0.79
        self._themes = _dirichlet(random, ideal_theme * 4.0)
        self._categories = _dirichlet(random, np.array([h.categories for h in _HABITS])[habits] * 8.0)
        self._acts = _dirichlet(random, np.array([h.events for h in _HABITS])[habits] * 14.0)
        self._hours = np.array([h.hour for h in _HABITS])[habits] + random.normal(0, 1.5, people)
        self._price = np.array([h.price for h in _HABITS])[habits] * random.lognormal(0, 0.25, people)
        self._chinese = np.where(random.random(people) < 0.35, 0.85, 0.08)
        self._device = random.choice(len(_DEVICES), people, p=(0.6, 0.3, 0.1))
        self._country = random.choice(len(_COUNTRIES), people)
        self._gender = random.choice(2, people)
        self.activity = random.gamma(2.0, 1.0, people) + 0.3
        self._texts = self._item_texts()

    def profile_id(self, person: int) -> str:
        """Return the id under which userprism knows a person."""
        return f"anon:{self._ids[person]}" if self._anonymous[person] else self._ids[person]

    def events(self, count: int, truth: Truth) -> Iterator[list[Message]]:
        """Yield about `count` events in chunks (exactly `count`), and note in `truth` what they are."""
        random = np.random.default_rng((self._seed, count))
        people = len(self._ids)
        broken = round(count * _BROKEN)
        repeated = round(count * _REPEATED)
        whole = count - broken - repeated
        late = round(count * _LATE)
        who = random.choice(people, whole, p=self.activity / self.activity.sum())
        if whole >= people:  # everybody comes at least once
            who[random.permutation(whole)[:people]] = np.arange(people)
        at = self._times(random, who)
        order = np.argsort(at, kind="stable")
        who, at = who[order], at[order]
        is_late = self._choose_late(random, who, at, late)
        at = np.where(is_late, at - random.integers(2 * _DAY_US, 5 * _DAY_US, whole), at)
        rendered = self.render(random, who, at)
        truth.events, truth.accepted, truth.duplicates = count, whole, repeated
        truth.late = int(is_late.sum())
        present = np.unique(who).tolist()
        truth.profiles = len(present)
        truth.personas = {self.profile_id(p): int(self.personas[p]) for p in present}
        tastes = np.hstack(
            (self._themes, self._categories, self._acts, self._hours[:, None] / 12, self._price[:, None])
        )
        truth.tastes = {self.profile_id(p): np.round(tastes[p], 4).tolist() for p in present}
        yield from self._mixed(random, rendered, broken, repeated, truth)

    def _times(self, random: np.random.Generator, who: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Days at random, hours around each person's own peak."""
        day = random.integers(0, _DAYS - 1, len(who))
        hour = np.where(
            random.random(len(who)) < 0.8,
            self._hours[who] + random.normal(0, 2.0, len(who)),
            random.uniform(0, 24, len(who)),
        )
        start = self._end_us // _DAY_US * _DAY_US - _DAYS * _DAY_US
        return (start + day * _DAY_US + np.mod(hour, 24) * 3_600e6 + random.integers(0, 60_000_000, len(who))).astype(
            np.int64
        )

    @staticmethod
    def _choose_late(
        random: np.random.Generator, who: npt.NDArray[np.int64], at: npt.NDArray[np.int64], wanted: int
    ) -> npt.NDArray[np.bool_]:
        """Choose events whose person was there before: made 2 to 5 days older they are late, and raise no newest time.

        An event is late when an EARLIER kept event of the person is newer by more than a day. The one just before
        (in time) is within the same log, at most some days older than the event's original time, so only events whose
        predecessor that isn't late is at most half a day older are eligible.
        """
        eligible = np.zeros(len(who), bool)
        newest: dict[int, int] = {}
        chosen = np.zeros(len(who), bool)
        lot = random.random(len(who)) < 2.5 * wanted / max(len(who), 1) * 4
        for i, (person, time_us) in enumerate(zip(who.tolist(), at.tolist(), strict=True)):
            before = newest.get(person)
            if lot[i] and before is not None and time_us - before < _DAY_US // 2:
                eligible[i] = True
            else:
                newest[person] = time_us
        places = np.flatnonzero(eligible)
        chosen[random.permutation(places)[:wanted]] = True
        return chosen

    def _item_texts(self) -> list[str]:
        c = self.catalogue
        return [
            json.dumps({"product_id": f"p{i}", "name": title}, ensure_ascii=False)[1:-1]
            for i, title in enumerate(c.titles)
        ]

    def _items(self, random: np.random.Generator, who: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Choose what each event is about: the person's themes and language, or anything at all (noise)."""
        c = self.catalogue
        theme = _choose(random, self._themes[who])
        chinese = random.random(len(who)) < self._chinese[who]
        item = np.empty(len(who), np.int64)
        for t in range(len(THEMES)):
            for language in (False, True):
                shelf = np.flatnonzero((c.themes == t) & (c.chinese == language))
                wanted = np.flatnonzero((theme == t) & (chinese == language))
                item[wanted] = random.choice(shelf, len(wanted), p=c.popularity[shelf] / c.popularity[shelf].sum())
        noise = random.random(len(who)) < _NOISE
        item[noise] = random.choice(len(c.titles), int(noise.sum()), p=c.popularity / c.popularity.sum())
        return item

    def render(
        self, random: np.random.Generator, who: npt.NDArray[np.int64], at: npt.NDArray[np.int64]
    ) -> list[Message]:
        """Return (key, value) of an event a person and time (us UTC)."""
        n = len(who)
        item = self._items(random, who)
        act = _choose(random, self._acts[who])
        category = _choose(random, self._categories[who])
        price = np.round(self.catalogue.prices[item] * self._price[who], 2)
        numbers = random.integers(0, 2**62, n)
        out: list[Message] = []
        for i in range(n):
            person = int(who[i])
            raw = self._ids[person]
            stamp = datetime.fromtimestamp(int(at[i]) / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
            name, cost = _EVENTS[act[i]], float(price[i])
            money = f',"revenue":{cost},"currency":"EUR"' if name == "Order Completed" else ""
            field = "anonymousId" if self._anonymous[person] else "userId"
            value = (
                f'{{"type":"track","event":"{name}","{field}":"{raw}","messageId":"m{int(numbers[i]):016x}-{i}",'
                f'"timestamp":"{stamp}Z","properties":{{{self._texts[item[i]]},"category":"{_CATEGORIES[category[i]]}",'
                f'"price":{cost}{money}}},"context":{{"device":{{"type":"{_DEVICES[self._device[person]]}"}},'
                f'"location":{{"country":"{_COUNTRIES[self._country[person]]}"}},'
                f'"traits":{{"gender":"{"fm"[self._gender[person]]}"}}}}}}'
            )
            out.append((raw.encode(), value.encode()))
        return out

    @staticmethod
    def _mixed(
        random: np.random.Generator, whole: list[Message], broken: int, repeated: int, truth: Truth
    ) -> Iterator[list[Message]]:
        """Put broken events anywhere, and each repeat a little after its original."""
        n = len(whole)
        bad = broken_events(random, broken)
        for reason, _ in bad:
            truth.dead_letters[reason] = truth.dead_letters.get(reason, 0) + 1
        slots: list[tuple[float, Message]] = [(i, message) for i, message in enumerate(whole)]
        slots += [(float(random.uniform(0, n)), (None, value)) for _, value in bad]
        again = random.choice(n, repeated, replace=False)
        slots += [(i + float(random.uniform(0.5, 2_000)), whole[i]) for i in again.tolist()]
        slots.sort(key=lambda slot: slot[0])
        for start in range(0, len(slots), 10_000):
            yield [message for _, message in slots[start : start + 10_000]]


def _dirichlet(random: np.random.Generator, alpha: Floats) -> Floats:
    draws = random.gamma(alpha)
    shares: Floats = draws / draws.sum(axis=1, keepdims=True)
    return shares


def _choose(random: np.random.Generator, shares: Floats) -> npt.NDArray[np.int64]:
    edges = np.cumsum(shares, axis=1)
    found: npt.NDArray[np.int64] = (random.random((len(shares), 1)) > edges).sum(axis=1)
    found = np.minimum(found, shares.shape[1] - 1)
    return found
