"""The rules of the world: what may happen at any time, in any order (Hypothesis picks)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from streams.settings import IdentitySettings
from tests.identity.world import Event, PlainShell, Shell, World, oracle

PARTITIONS = 3
NO_LIMITS = IdentitySettings(max_merges=1_000, max_new_ids_a_week=1_000)

users = st.sampled_from(["ann", "bo", "cy", "陈"])
devices = st.sampled_from(["a1", "a2", "a3", "a4", "a5"])
partitions = st.integers(0, PARTITIONS - 1)
#: (user, device); at least one of them
seen = st.one_of(
    st.tuples(users, st.none()), st.tuples(st.none(), devices), st.tuples(users, devices), st.tuples(users, devices)
)


class Merging(RuleBasedStateMachine):
    """Everybody ends as the oracle says, however things went."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(PARTITIONS, self.shell)
        self.messages = 0

    def shell(self, partition: int, stored: Any) -> Shell:
        """Return an owner with what surrounds it."""
        return PlainShell(partition, PARTITIONS, NO_LIMITS, stored)

    @rule(found=st.lists(seen, min_size=1, max_size=4))
    def produce(self, found: list[tuple[str | None, str | None]]) -> None:
        """Something happens."""
        events = [Event(self.messages + i, user, device) for i, (user, device) in enumerate(found)]
        self.messages += len(events)
        self.world.produce(events)

    @precondition(lambda self: self.world.produced)
    @rule(which=st.integers(0, 1_000), count=st.integers(1, 3))
    def produce_again(self, which: int, count: int) -> None:
        """A producer retries."""
        produced = self.world.produced
        first = which % len(produced)
        again = produced[first : first + count]
        self.world.produce(again)

    @rule(partition=partitions, steps=st.integers(1, 4))
    def work(self, partition: int, steps: int) -> None:
        """An owner reads on; nothing is sent yet."""
        for _ in range(steps):
            self.world.step(self.world.places[partition], partition)

    @rule(partition=partitions, count=st.integers(1, 3))
    def send(self, partition: int, count: int) -> None:
        """Some of what it says arrives."""
        self.world.send(self.world.places[partition], count)

    @rule(partition=partitions)
    def commit(self, partition: int) -> None:
        """All of it arrives, then the profiles are stored."""
        self.world.commit(self.world.places[partition], partition)

    @rule(partition=partitions)
    def crash(self, partition: int) -> None:
        """Memory is lost."""
        self.world.crash(partition)

    @precondition(lambda self: len(self.world.stalled) < 3)
    @rule(partition=partitions)
    def stall(self, partition: int) -> None:
        """An owner sleeps; another takes its place."""
        self.world.stall(partition)

    @precondition(lambda self: self.world.stalled)
    @rule(which=st.integers(0, 2), steps=st.integers(0, 3), count=st.integers(0, 3), store=st.booleans())
    def wake(self, which: int, steps: int, count: int, *, store: bool) -> None:
        """It goes on for a while, and doesn't know."""
        partition, place = self.world.stalled[which % len(self.world.stalled)]
        for _ in range(steps):
            self.world.step(place, partition)
        self.world.send(place, count)
        if store:
            self.world.commit(place, partition)

    @rule(partition=partitions, at=st.integers(0, 1_000))
    def repeat(self, partition: int, at: int) -> None:
        """Something that was said hours ago arrives once more."""
        self.world.repeat(partition, at)

    @rule()
    def remind(self) -> None:
        """The broker was killed, and owners ask again; here it has lost nothing."""
        self.world.remind()

    def teardown(self) -> None:
        """Let everything end, and compare."""
        self.world.settle()
        assert self.world.counts() == self.expected()
        for partition in range(PARTITIONS):
            self.world.crash(partition)
        self.world.settle()
        assert self.world.counts() == self.expected()
        distinct = {(event.person, event.message) for event in self.world.produced}
        assert sum(self.world.counts().values()) == len(distinct)

    def expected(self) -> dict[str, int]:
        """Return what a naive thread finds."""
        return oracle(self.world)
