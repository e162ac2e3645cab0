"""Links by the thousand, as broken or hostile producers send them, through owners with the limits that are shipped."""

from __future__ import annotations

import time
from typing import Any

from streams.identity import Outgoing
from streams.settings import IdentitySettings
from streams.warmup import warm_up
from tests.identity.real import RealShell
from tests.identity.world import Event, Record, World

__all__ = ["storms"]

_PARTITIONS = 4
_MANY = 10_000

STORMS: dict[str, list[Event]] = {
    "10,000 devices of one user": [Event(i, "ann", f"a{i}") for i in range(_MANY)],
    "10,000 users of one device": [Event(i, f"u{i}", "a") for i in range(_MANY)],
    "a chain of 10,000 aliases": [Event(i, f"n{i + 1}", f"n{i}", alias=True) for i in range(_MANY)],
    "cycles of aliases": [Event(i, f"n{i % 100}", f"n{(i + 1) % 100}", alias=True) for i in range(_MANY)],
    "links before events": [Event(i, "ann" if i < 5 else None, f"a{i % 5}") for i in range(_MANY)],
    "links after events": [Event(i, None if i < _MANY - 5 else "ann", f"a{i % 5}") for i in range(_MANY)],
    "one link 10,000 times": [Event(i, "ann", "a") for i in range(_MANY)],
}


class _Timed(RealShell):
    """Notes how long a record kept its partition."""

    slowest_s = 0.0

    def apply(self, offset: int, record: Record) -> list[Outgoing]:
        started = time.perf_counter()
        said = super().apply(offset, record)
        _Timed.slowest_s = max(_Timed.slowest_s, time.perf_counter() - started)
        return said


def storms() -> list[list[Any]]:
    """Return (storm, people, merged, refused, bytes that are remembered about ids, longest stall in ms)."""
    warm_up()
    rows = []
    for name, events in STORMS.items():
        _Timed.slowest_s = 0.0
        world = World(_PARTITIONS, lambda partition, stored: _Timed(partition, _PARTITIONS, IdentitySettings(), stored))
        for at in range(0, _MANY, 5_000):
            world.produce(events[at : at + 5_000])
        links = []
        stored: dict[int, dict[str, bytes]] = {}
        busy = True
        while busy:
            busy = False
            for partition, place in enumerate(world.places):
                while world.step(place, partition):
                    busy = True
                world.send(place, len(place.unsent))
        for partition, place in enumerate(world.places):
            identities = place.shell._partition._identities  # type: ignore[attr-defined]
            links += identities.take_links()
            stored[partition] = identities.owner.stored
        counts = world.counts()
        if sum(counts.values()) != len({event.message for event in events}):
            msg = f"{name}: {sum(counts.values())} events are counted, {len(events)} were sent"
            raise AssertionError(msg)
        whats = [link.what for link in links]
        size = sum(len(value) for kept in stored.values() for value in kept.values())
        rows.append([name, len(counts), whats.count("merged"), whats.count("refused"), size, 1e3 * _Timed.slowest_s])
    return rows
