"""Weeks of the simulated shop in order of event time: seasons of the day, weekends, sessions, and shifts on command."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from streams.errors import InputError
from streams.shop.catalogue import THEMES
from streams.shop.shop import PERSONAS, Message, Shop
from streams.shop.truth import Truth

__all__ = ["ShopShift", "Weeks", "parse_shift", "weeks_people"]

_HOUR_US = 3_600_000_000
_THEMES = {name: number for number, name in enumerate(THEMES)} | {"sports": list(THEMES).index("outdoor")}
_UNITS_H = {"h": 1.0, "d": 24.0, "w": 168.0}
_SHIFT = re.compile(
    r"(?P<who>[a-z]+)(?P<sign>[+-])(?P<points>\d+(?:\.\d+)?)% at (?P<at>\S+)"
    r"(?: over (?P<over>\S+))?(?: for (?P<long>\S+))?"
)
#: How much the shares of personas follow the hour, and how much the weekend moves them.
_SEASON, _WEEKEND = 0.25, 0.10
#: Variance of an hour's people beyond a multinomial's: people come in bursts.
_BURSTS = 2.0
#: People of a shop: as many as the demo has, and enough that half of a persona can come in one hour.
_LEAST_PEOPLE, _PEOPLE_PER_HOURLY = 10_500, 10
#: Events of a visit, beyond the first one.
_MORE_EVENTS = 0.3


@dataclass(frozen=True)
class ShopShift:
    """A change of who comes.

    Attributes
    ----------
    theme : int
        The personas of this theme come more often, all others less.
    points : float
        By how much of all who come.
    at_h, over_h, for_h : float
        Hours from the begin of simulated time, until all of it is there, until it is over.
    """

    theme: int
    points: float
    at_h: float
    over_h: float
    for_h: float

    def at(self, hour: int) -> float:
        """Return the points in an hour."""
        if not self.at_h <= hour < self.at_h + self.for_h:
            return 0.0
        return self.points * min(1.0, (hour + 1 - self.at_h) / max(self.over_h, 1.0))


def parse_shift(text: str) -> ShopShift:
    """Read ``sports+10% at 2h``, also with ``over 1d`` (gradually) and ``for 12h`` (then it is over).

    Raises
    ------
    InputError
        It isn't written so, or nobody has such a taste.
    """
    found = _SHIFT.fullmatch(text.strip())
    if not found or found["who"] not in _THEMES:
        msg = f'--shift {text!r} must look like "sports+10% at 2h over 1d for 3d", of {", ".join(sorted(_THEMES))}'
        raise InputError(msg)
    points = float(found["points"]) / 100 * (1 if found["sign"] == "+" else -1)
    over, long = found["over"], found["long"]
    return ShopShift(
        _THEMES[found["who"]], points, _hours(found["at"], text), _hours(over, text) if over else 0.0,
        _hours(long, text) if long else float("inf"),
    )  # fmt: skip


def _hours(duration: str, text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([hdw])", duration)
    if not found:
        msg = f"--shift {text!r}: {duration!r} is no duration; write a number and one of h, d, w"
        raise InputError(msg)
    return float(found[1]) * _UNITS_H[found[2]]


def weeks_people(per_hour: int) -> int:
    """Return how many people a shop needs so that those of one persona suffice at the busiest hour of a large shift."""
    return max(_LEAST_PEOPLE, _PEOPLE_PER_HOURLY * per_hour)


class Weeks:
    """A shop over weeks.

    Parameters
    ----------
    shop : Shop
        Whose people and catalogue.
    days : int
        How long; the last day ends at `end_us`, a full hour.
    people_per_hour : int
        How many come in a mean hour.
    shifts : sequence of ShopShift
        What changes.
    seed : int
        Of who comes when.

    Raises
    ------
    InputError
        While people are drawn: the shop is too small for so many an hour.
    """

    def __init__(
        self,
        shop: Shop,
        *,
        days: int,
        people_per_hour: int,
        end_us: int,
        shifts: Sequence[ShopShift] = (),
        seed: int = 7,
    ) -> None:
        self._shop, self._days, self._mean, self._shifts = shop, days, people_per_hour, shifts
        self.begin_us = end_us // _HOUR_US * _HOUR_US - days * 24 * _HOUR_US
        self._random = np.random.default_rng((seed, days))
        self._base = np.bincount(shop.personas, minlength=PERSONAS) / len(shop.personas)
        self._phases = self._random.uniform(0, 2 * np.pi, PERSONAS)
        self._who = [np.flatnonzero(shop.personas == persona) for persona in range(PERSONAS)]
        self._habit = [shop.activity[who] / shop.activity[who].sum() for who in self._who]

    def shares(self, hour: int) -> np.ndarray:
        """Return the part of each persona (8,) among those who come in an hour."""
        share = self._base * (1 + _SEASON * np.sin(2 * np.pi * hour / 24 + self._phases))
        if self._weekday(hour) >= 5:
            share *= np.where(np.arange(PERSONAS) % 2, 1 + _WEEKEND, 1 - _WEEKEND)
        share /= share.sum()
        for shift in self._shifts:
            points = shift.at(hour)
            inside = np.arange(PERSONAS) // 2 == shift.theme
            share[inside] *= (share[inside].sum() + points) / share[inside].sum()
            share[~inside] *= max(1 - share[inside].sum(), 0.0) / share[~inside].sum()
        return share

    def events(self, truth: Truth) -> Iterator[list[Message]]:
        """Yield the events of one hour after the other, and count them in `truth`."""
        random, seen = self._random, np.zeros(len(self._shop.personas), bool)
        for hour in range(self._days * 24):
            came = self.people(random, hour)
            seen[came] = True
            who = np.repeat(came, 1 + random.poisson(_MORE_EVENTS, len(came)))
            at = self.begin_us + hour * _HOUR_US + np.sort(random.integers(0, _HOUR_US, len(who)))
            truth.events += len(who)
            truth.accepted += len(who)
            yield self._shop.render(random, random.permutation(who), at)
        truth.profiles = int(seen.sum())
        truth.personas = {self._shop.profile_id(p): int(self._shop.personas[p]) for p in np.flatnonzero(seen).tolist()}

    def personas_of(self, people: np.ndarray) -> np.ndarray:
        """Return the persona of each."""
        found: np.ndarray = self._shop.personas[people]
        return found

    def people(self, random: np.random.Generator, hour: int) -> np.ndarray:
        """Choose who comes, each once: some more by day, people in bursts."""
        n = int(self._mean * (1 + 0.5 * np.sin(2 * np.pi * (hour % 24 - 8) / 24)))
        drawn = random.dirichlet(self.shares(hour) * max(n - _BURSTS, 1) / (_BURSTS - 1))
        counts = random.multinomial(n, drawn).tolist()
        for who, count in zip(self._who, counts, strict=True):
            self._require_enough(who, count, n)
        chosen = [
            random.choice(who, count, replace=False, p=habit)
            for who, habit, count in zip(self._who, self._habit, counts, strict=True)
        ]
        return np.concatenate(chosen)

    def _require_enough(self, who: np.ndarray, count: int, n: int) -> None:
        if count > len(who) // 2:  # who comes would not be who was to come: a shift would be smaller than was asked
            people = len(self._shop.personas)
            msg = (
                f"{n:,} people in an hour are too many for a shop of {people:,}: {count:,} of one persona's "
                f"{len(who):,}. Shop(people={weeks_people(self._mean):,}) has enough"
            )
            raise InputError(msg)

    def _weekday(self, hour: int) -> int:
        return int((self.begin_us // _HOUR_US + hour) // 24 + 3) % 7
