"""The same rules, with the profiler's own partitions: people, counts and features as the naive thread finds them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings

from streams.contract import Erase, encode_control, partition_of
from streams.identity import OPERATOR, Split, Undo, envelopes
from tests.identity.machine import NO_LIMITS, PARTITIONS, Merging
from tests.identity.real import RealShell
from tests.identity.world import Event, Record, Shell, World


class RealMerging(Merging):
    """Real blocks and states."""

    def shell(self, partition: int, stored: Any) -> Shell:
        """Return a partition as the profiler holds it."""
        return RealShell(partition, PARTITIONS, NO_LIMITS, stored)


TestRealMerging = RealMerging.TestCase
TestRealMerging.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize(("order", "left"), [(Split, {"ann": 4}), (Undo, {"ann": 2, "anon:a": 2})])
def test_what_was_merged_can_be_split_off_or_taken_back(order: type[Split | Undo], left: dict[str, int]) -> None:
    world = World(PARTITIONS, lambda partition, stored: RealShell(partition, PARTITIONS, NO_LIMITS, stored))
    for event in (Event(1, None, "a"), Event(2, None, "a"), Event(3, "ann", "a"), Event(4, None, "a")):
        world.produce([event])
        world.settle()
    assert world.counts() == {"ann": 4}

    for envelope in envelopes(OPERATOR, 0, "", [order("anon:a", 5)]):
        world.order(partition_of("anon:a", PARTITIONS), envelope)
    world.settle()

    assert world.counts() == left
    world.produce([Event(5, None, "a")])
    world.settle()
    assert world.counts() == {**left, "anon:a": left.get("anon:a", 0) + 1}


def erased(world: World, user: str) -> None:
    """Let an operator erase a user, in the log of the user's partition."""
    order = Erase("e", user, suppress=False, at_us=1)
    world.logs[partition_of(user, PARTITIONS)].append(Record(erase=encode_control(order)[0]))


def test_what_was_on_its_way_doesnt_bring_an_erased_user_back() -> None:
    for moment in range(6):  # at each place of the exchange between the two owners
        world = World(PARTITIONS, lambda partition, stored: RealShell(partition, PARTITIONS, NO_LIMITS, stored))
        world.produce([Event(1, None, "a"), Event(2, "ann", "a")])
        before = [Event(3, None, "a"), Event(4, None, "a")]
        homes = [partition_of(name, PARTITIONS) for name in ("ann", "anon:a")]
        for turn in range(moment):
            home = homes[turn % 2]
            while world.step(world.places[home], home):
                pass
            if before:
                world.produce([before.pop(0)])
            world.send(world.places[home], 10)
        erased(world, "ann")
        world.settle()

        assert world.counts() == {}, moment
        world.crash(homes[0])
        for event in (Event(9, "ann", None), Event(10, "ann", "a"), Event(11, None, "a")):
            world.produce([event])
            world.settle()
        assert world.counts() == {"ann": 3}, moment
        produced = sum(len(record.events) for log in world.logs for record in log)
        shells = [place.shell for place in world.places]
        assert sum(shell.taken for shell in shells if isinstance(shell, RealShell)) == produced, moment
