"""A small world of partitions, each a log and an owner, in which everything that can go wrong does (no I/O).

An owner's memory is lost with a crash and comes back from what was committed. What it says is sent in order, and all of
it before a commit. An owner that stalled goes on later, beside the one that took its place.
"""

from __future__ import annotations

import copy
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from streams.contract import partition_of
from streams.identity import OPERATOR, LinkRow, Outgoing, Owner, Remind, decode_envelope, envelopes
from streams.identity.records import Absorb, Claim, Refuse
from streams.settings import IdentitySettings

DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Event:
    """Somebody did something; `user` or `anonymous` is there."""

    message: int
    user: str | None
    anonymous: str | None
    at_us: int = 0
    alias: bool = False

    @property
    def person(self) -> str:
        return self.user or f"anon:{self.anonymous}"


@dataclass(frozen=True)
class Record:
    """A block of events, or what an owner says."""

    events: tuple[Event, ...] = ()
    envelope: bytes = b""
    erase: bytes = b""


class Shell(Protocol):
    """What surrounds an owner: the plain one here, the profiler's own partition in another test."""

    next_offset: int

    def apply(self, offset: int, record: Record) -> list[Outgoing]:
        """Apply a record; return what is to be sent."""

    def committed_over(self, stored: Any) -> Any:
        """Commit: return what is stored then, given what was stored before."""

    def counts(self) -> dict[str, int]:
        """Return people and their events."""


class PlainShell:
    """An owner over people who are a number each."""

    def __init__(self, partition: int, partitions: int, limits: IdentitySettings, stored: Any = None) -> None:
        self.owner = Owner(partition, partitions, limits, self)
        self.events: Counter[str] = Counter()
        self.seen: set[int] = set()
        self.next_offset = 0
        self.links: list[LinkRow] = []
        if stored is not None:
            self.next_offset, identities, marks, self.events, self.seen, self.links = copy.deepcopy(stored)
            self.owner.restore(identities, marks)

    def committed_over(self, stored: Any) -> Any:
        owner = self.owner
        snapshot = (self.next_offset, owner.stored, owner.marks, self.events, self.seen, self.links)
        return stored if stored is not None and stored[0] > self.next_offset else copy.deepcopy(snapshot)

    def counts(self) -> dict[str, int]:
        return {person: n for person, n in self.events.items() if n}

    def apply(self, offset: int, record: Record) -> list[Outgoing]:
        self.next_offset = offset + 1
        self.owner.begin(offset)
        if record.envelope:
            self.owner.receive(decode_envelope(record.envelope))
        else:
            self._block(record.events)
        sent, rows, _ = self.owner.end()
        self.links += rows
        return sent

    def _block(self, events: Sequence[Event]) -> None:
        moved: dict[str, int] = Counter()
        for event in events:
            if event.message in self.seen:
                continue
            self.seen.add(event.message)
            user = self.owner.user_of(event.person) if event.user is None else ""
            if user:
                moved[user] += 1
                continue
            self.events[event.person] += 1
            if event.user and event.anonymous:
                self.owner.meet(event.user, event.anonymous, event.at_us, event.message, alias=event.alias)
        for user, count in moved.items():
            self.owner.forward(self.owner.owner_of(user), json.dumps([user, count]).encode())

    # streams.identity.Body

    def exists(self, profile_id: str) -> bool:
        return self.events[profile_id] > 0

    def give(self, profile_ids: Sequence[str]) -> list[list[bytes]]:
        given = [self.events.pop(profile_id, 0) for profile_id in profile_ids]
        return [[b"%d" % count] if count else [] for count in given]

    def keep(self, profile_ids: Sequence[str]) -> None:
        pass  # the owner is asked about each event here

    def receive(self, profile_ids: Sequence[str], states: Sequence[bytes], layout: str) -> None:
        for profile_id, state in zip(profile_ids, states, strict=True):
            self.events[profile_id] += int(state)

    def take_out(self, profile_ids: Sequence[str], states: Sequence[bytes], layout: str) -> None:
        for profile_id, state in zip(profile_ids, states, strict=True):
            self.events[profile_id] -= int(state)

    def forwarded(self, block: bytes) -> None:
        user, count = json.loads(block)
        self.events[user] += count


@dataclass
class Place:
    """Who owns a partition now, and what is on its way."""

    shell: Shell
    unsent: list[Outgoing] = field(default_factory=list)


class World:
    """Partitions, their logs, and what was committed.

    Parameters
    ----------
    partitions : int
        How many.
    shell : callable
        Makes a shell from (partition, what was committed or None).
    """

    def __init__(self, partitions: int, shell: Callable[[int, Any], Shell]) -> None:
        self.partitions = partitions
        self._shell = shell
        self.logs: list[list[Record]] = [[] for _ in range(partitions)]
        self.stored: list[Any] = [None] * partitions
        self.places = [Place(shell(p, None)) for p in range(partitions)]
        self.stalled: list[tuple[int, Place]] = []
        self.produced: list[Event] = []

    def produce(self, events: Sequence[Event]) -> None:
        """Let intake write blocks, one a partition."""
        self.produced += events
        blocks: dict[int, list[Event]] = defaultdict(list)
        for event in events:
            blocks[partition_of(event.person, self.partitions)].append(event)
        for partition, block in blocks.items():
            self.logs[partition].append(Record(events=tuple(block)))

    def order(self, partition: int, envelope: bytes) -> None:
        """Let an operator say something."""
        self.logs[partition].append(Record(envelope=envelope))

    def remind(self) -> None:
        """Let every owner ask again for what it got no answer to."""
        for partition in range(self.partitions):
            for envelope in envelopes(OPERATOR, 0, "", [Remind(0)]):
                self.order(partition, envelope)

    def lose_last(self, partition: int) -> None:
        """Let the broker lose what its log has last, which nobody has read yet."""
        assert self.places[partition].shell.next_offset < len(self.logs[partition])
        self.logs[partition].pop()

    def step(self, place: Place, partition: int) -> bool:
        """Apply the next record; False at the log's end."""
        at = place.shell.next_offset
        if at >= len(self.logs[partition]):
            return False
        place.unsent += place.shell.apply(at, self.logs[partition][at])
        return True

    def send(self, place: Place, count: int) -> None:
        """Let the broker have the next few of what is to be sent, in their order."""
        for partition, data in place.unsent[:count]:
            self.logs[partition].append(Record(envelope=data))
        del place.unsent[:count]

    def commit(self, place: Place, partition: int) -> None:
        """Commit, which waits for all that was sent; the higher version stays."""
        self.send(place, len(place.unsent))
        self.stored[partition] = place.shell.committed_over(self.stored[partition])

    def crash(self, partition: int) -> None:
        """Lose memory; start from what was committed."""
        self.places[partition] = Place(self._shell(partition, self.stored[partition]))

    def stall(self, partition: int) -> None:
        """Give the partition to another owner; this one goes on when it wakes."""
        self.stalled.append((partition, self.places[partition]))
        self.crash(partition)

    def repeat(self, partition: int, at: int) -> None:
        """Say again what was said long ago."""
        said = [record for record in self.logs[partition] if record.envelope]
        if said:
            self.logs[partition].append(said[at % len(said)])

    def settle(self) -> None:
        """Go on until nothing is left to do anywhere."""
        busy = True
        while busy:
            busy = False
            for partition, place in enumerate(self.places):
                while self.step(place, partition):
                    busy = True
                if place.unsent:
                    busy = True
                self.commit(place, partition)

    def counts(self) -> dict[str, int]:
        """Return everybody and their events."""
        found: Counter[str] = Counter()
        for place in self.places:
            found.update(place.shell.counts())
        return dict(found)


def oracle(world: World) -> dict[str, int]:
    """Return people and counts as one naive thread finds them, given the order in which owners heard of each other.

    An anonymous id goes to the first user that claims it in its owner's log. What it did until then, and until a second
    user claims it, is that user's; what it does after that is its own.
    """
    found: Counter[str] = Counter()
    for log in world.logs:
        seen: set[int] = set()
        marks: dict[int, int] = {}
        first: dict[str, str] = {}
        shared: set[str] = set()
        alone: Counter[str] = Counter()
        for record in log:
            if record.envelope:
                envelope = decode_envelope(record.envelope)
                if envelope.mark <= marks.get(envelope.source, -1):
                    continue
                marks[envelope.source] = envelope.mark
                for item in envelope.items:
                    if isinstance(item, Claim):
                        if item.anonymous not in first:
                            first[item.anonymous] = item.user
                            found[item.user] += alone.pop(item.anonymous, 0)
                        elif first[item.anonymous] != item.user:
                            shared.add(item.anonymous)
                continue
            for event in record.events:
                if event.message in seen:
                    continue
                seen.add(event.message)
                person = event.person
                if person in first and person not in shared:
                    found[first[person]] += 1
                else:
                    alone[person] += 1
        found.update(alone)
    return {person: count for person, count in found.items() if count}


def said(world: World, kind: type[Claim] | type[Absorb] | type[Refuse]) -> list[Any]:
    """Return everything of one kind that was said, each once."""
    items = {
        (envelope.source, envelope.mark, partition, number): item
        for partition, log in enumerate(world.logs)
        for record in log
        if record.envelope
        for envelope in [decode_envelope(record.envelope)]
        for number, item in enumerate(envelope.items)
        if isinstance(item, kind)
    }
    return list(items.values())
