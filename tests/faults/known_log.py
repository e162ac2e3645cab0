"""A log whose every event is known, and what ClickHouse must say of it: plain Python, one event at a time."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

__all__ = ["Expected", "KnownLog", "Message", "Person", "decayed"]

_DAY_US = 86_400_000_000
_START_US = 1_767_225_600_000_000  # 2026-01-01
_NAMES = ("Product Viewed", "Product Added", "Order Completed", "Article Read")
_BROKEN = {b"{": "malformed_json", b'{"type":"page"}': "missing_identity", b"[1]": "not_an_object"}

Message = tuple[bytes, bytes]


@dataclass
class Person:
    """What is known of one person: when they did what."""

    times: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    @property
    def events(self) -> int:
        """How many."""
        return sum(map(len, self.times.values()))


def decayed(times: Iterable[int], at_us: int, half_life_us: int = 14 * _DAY_US) -> float:
    """Return the decayed count of events at `at_us`."""
    return float(sum(2.0 ** (-(at_us - at) / half_life_us) for at in times))


@dataclass
class Expected:
    """What has to become of some values."""

    people: dict[str, Person] = field(default_factory=lambda: defaultdict(Person))
    duplicates: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)

    @property
    def accepted(self) -> int:
        """Events that count."""
        return sum(person.events for person in self.people.values())


class KnownLog:
    """Events of some people, with repeats, broken ones, and late ones; the same seed gives the same log.

    Parameters
    ----------
    seed, events, people : int
        `events` counts all that is sent.
    items : int
        Pieces of content that they touch; many of them keep an encoder at work.
    """

    def __init__(self, seed: int, events: int, people: int = 300, items: int = 200) -> None:
        chance = random.Random(seed)
        self.messages: list[Message] = []
        self._known: dict[bytes, tuple[str, str, int]] = {}
        self._items = items
        for number in range(events):
            lot = chance.random()
            if lot < 0.01:
                self.messages.append((b"", chance.choice(list(_BROKEN))))
            elif lot < 0.03 and self.messages:  # again, under another key: producers' keys can't be trusted
                key, value = chance.choice(self.messages[-200:])
                self.messages.append((key[::-1], value))
            else:
                self._new(chance, seed, number, people)
        self._all = self.expected(value for _, value in self.messages)

    @property
    def people(self) -> dict[str, Person]:
        """Everybody, by profile id."""
        return self._all.people

    @property
    def accepted(self) -> int:
        """Events that count."""
        return self._all.accepted

    @property
    def duplicates(self) -> int:
        """Events that were sent before."""
        return self._all.duplicates

    @property
    def dead_letters(self) -> Counter[str]:
        """Reason -> events."""
        return self._all.dead_letters

    def chunks(self, size: int) -> Iterator[list[Message]]:
        """Yield the messages in the order in which they are sent."""
        for at in range(0, len(self.messages), size):
            yield self.messages[at : at + size]

    def expected(self, values: Iterable[bytes]) -> Expected:
        """Return what has to become of some of this log's values."""
        found, seen = Expected(), set()
        for value in values:
            if value in _BROKEN:
                found.dead_letters[_BROKEN[value]] += 1
            elif value in seen:
                found.duplicates += 1
            else:
                seen.add(value)
                who, name, at_us = self._known[value]
                found.people[who].times[name].append(at_us)
        return found

    def _new(self, chance: random.Random, seed: int, number: int, people: int) -> None:
        who = min(int(chance.expovariate(4.0 / people)), people - 1)
        name = chance.choice(_NAMES)
        at_us = _START_US + number * 60_000_000 - (chance.randrange(5 * _DAY_US) if chance.random() < 0.02 else 0)
        at_us -= at_us % 1000
        known_by = {"anonymousId": f"v{who}"} if who % 5 == 0 else {"userId": f"u{who}"}
        item = chance.randrange(self._items)
        event = {
            "type": "track",
            "event": name,
            **known_by,
            "messageId": f"{seed}-{number}",
            "timestamp": datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="milliseconds"),
            "properties": {"product_id": f"p{item}", "name": f"title {item}", "category": f"c{item % 7}"},
        }
        value = json.dumps(event).encode()
        self._known[value] = f"anon:v{who}" if who % 5 == 0 else f"u{who}", name, at_us
        self.messages.append((b"k%d" % chance.randrange(50), value))
