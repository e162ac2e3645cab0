"""A log whose every event is known, and what ClickHouse must say of it: plain Python, one event at a time."""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

__all__ = ["KnownLog", "Person"]

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

    def decayed(self, name: str, half_life_us: int = 14 * _DAY_US) -> float:
        """Return the decayed count of `name` at the person's newest event."""
        newest = max(map(max, self.times.values()))
        return float(sum(2.0 ** (-(newest - at) / half_life_us) for at in self.times[name]))


class KnownLog:
    """Events of some people, with repeats, broken ones, and late ones; the same seed gives the same log.

    Parameters
    ----------
    seed, events, people : int
        `events` counts all that is sent.
    """

    def __init__(self, seed: int, events: int, people: int = 300) -> None:
        chance = random.Random(seed)
        self.people: dict[str, Person] = defaultdict(Person)
        self.duplicates = 0
        self.dead_letters: Counter[str] = Counter()
        self.messages: list[Message] = []
        for number in range(events):
            lot = chance.random()
            if lot < 0.01:
                value, reason = chance.choice(list(_BROKEN.items()))
                self.dead_letters[reason] += 1
                self.messages.append((b"", value))
            elif lot < 0.03 and self.messages:
                self._repeat(chance)
            else:
                self._new(chance, seed, number, people)

    @property
    def accepted(self) -> int:
        """Events that count."""
        return sum(person.events for person in self.people.values())

    def chunks(self, size: int) -> Iterator[list[Message]]:
        """Yield the messages in the order in which they are sent."""
        for at in range(0, len(self.messages), size):
            yield self.messages[at : at + size]

    def _repeat(self, chance: random.Random) -> None:
        """Send one of the last whole events again, under another key: producers' keys can't be trusted."""
        key, value = chance.choice(self.messages[-200:])
        if value in _BROKEN:
            self.dead_letters[_BROKEN[value]] += 1
        else:
            self.duplicates += 1
        self.messages.append((key[::-1], value))

    def _new(self, chance: random.Random, seed: int, number: int, people: int) -> None:
        who = min(int(chance.expovariate(4.0 / people)), people - 1)
        name = chance.choice(_NAMES)
        at_us = _START_US + number * 60_000_000 - (chance.randrange(5 * _DAY_US) if chance.random() < 0.02 else 0)
        at_us -= at_us % 1000
        known_by = {"anonymousId": f"v{who}"} if who % 5 == 0 else {"userId": f"u{who}"}
        item = chance.randrange(200)
        event = {
            "type": "track",
            "event": name,
            **known_by,
            "messageId": f"{seed}-{number}",
            "timestamp": datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="milliseconds"),
            "properties": {"product_id": f"p{item}", "name": f"title {item}", "category": f"c{item % 7}"},
        }
        self.people[f"anon:v{who}" if who % 5 == 0 else f"u{who}"].times[name].append(at_us)
        self.messages.append((b"k%d" % chance.randrange(50), json.dumps(event).encode()))
