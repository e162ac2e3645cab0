"""The profiler's end of the log: what was given to us stays ours, also when restoring it fails at first."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest

from streams.errors import AlreadyRunningError, UnavailableError
from streams.roles._clicks import Clicks, Record
from streams.roles._relay import Relay
from streams.settings import Settings
from tests.faults.known_log import KnownLog
from tests.roles.test_profiler import blocks_of, send

PATIENCE_S = 30.0


def poll_for_ever(clicks: Clicks) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        clicks.poll()


def say_60(ready: Settings) -> None:
    """Let owners say sixty things on partition 0."""
    relay = Relay(ready)
    relay.send((0, b"%d" % number) for number in range(60))
    relay.flush()
    relay.close()


def polls_until(clicks: Clicks, count: int) -> list[list[Record]]:
    """Return what each poll had, until there are so many records."""
    polled: list[list[Record]] = []
    deadline = time.monotonic() + PATIENCE_S
    while sum(map(len, polled)) < count:
        polled.append(clicks.poll())
        assert time.monotonic() < deadline
    clicks.close()
    return polled


def test_partitions_that_could_not_be_restored_at_first_are_restored_later(ready: Settings) -> None:
    blocks = blocks_of(ready, KnownLog(1, 500))
    send(ready, blocks)
    asked: list[Mapping[int, int]] = []

    def acquire(lows: Mapping[int, int]) -> Mapping[int, int]:
        asked.append(lows)
        if len(asked) == 1:
            msg = "ClickHouse is away"
            raise UnavailableError(msg)
        return lows

    clicks = Clicks(ready, acquire, lambda partition: None)
    with pytest.raises(UnavailableError, match="ClickHouse is away"):
        poll_for_ever(clicks)

    deadline = time.monotonic() + PATIENCE_S
    clicks.hold()
    clicks.restart()
    records: list[Record] = []
    while len(records) < len(blocks) and time.monotonic() < deadline:
        records += clicks.poll()
    owned = clicks.partitions
    clicks.close()

    assert owned == list(range(ready.kafka.partitions))
    assert sorted((record.partition, record.value) for record in records) == sorted(blocks)


def test_control_records_come_by_the_dozen_and_blocks_by_the_handful(ready: Settings) -> None:
    (_, block), *_ = blocks_of(ready, KnownLog(1, 500))
    say_60(ready)
    send(ready, [(1, block)] * 40)
    polled = polls_until(Clicks(ready, dict, lambda partition: None), 100)

    said = [record.value for records in polled for record in records if record.control]
    assert said == [b"%d" % number for number in range(60)]
    assert max(map(len, polled)) > 16
    for records in polled:
        assert len(records) <= 64 + 16
        assert sum(not record.control for record in records) < 2 * 16


class _Rebalanced(Clicks):
    """Its partitions come anew between two reads of one poll, once: no broker can be made to do it just then."""

    rebalanced = False

    def _take(self, wait_s: float) -> tuple[list[Record], bool]:
        if wait_s or self.rebalanced:
            return super()._take(wait_s)
        self.rebalanced = True
        self.restart()
        return [], True


def test_what_was_read_before_partitions_came_anew_is_read_again(ready: Settings) -> None:
    blocks = [(0, blocks_of(ready, KnownLog(1, 500))[0][1])] * 3
    say_60(ready)
    send(ready, blocks)
    clicks = _Rebalanced(ready, dict, lambda partition: None)
    polled = polls_until(clicks, 63)

    offsets = [record.offset for records in polled for record in records]
    assert clicks.rebalanced
    assert offsets == sorted(offsets)
    assert len(set(offsets)) == len(offsets) == 63


def taken_over(ready: Settings, then: Callable[[Clicks], None]) -> None:
    """Let another process take the place of a member that does not look, and then does the same thing until it ends."""
    send(ready, blocks_of(ready, KnownLog(1, 500)))
    clicks = Clicks(ready, dict, lambda partition: None)
    deadline = time.monotonic() + PATIENCE_S
    while not clicks.partitions:
        clicks.poll()
    other = Clicks(ready, dict, lambda partition: None)
    while not other.partitions:
        other.poll()
        assert time.monotonic() < deadline
    try:
        while time.monotonic() < deadline:
            then(clicks)
            time.sleep(0.05)
    finally:
        clicks.close()
        other.close()


@pytest.mark.parametrize(
    "then",
    [lambda clicks: clicks.commit({0: 1}), lambda clicks: clicks.hold()],
    ids=["commits", "waits for ClickHouse"],
)
def test_whose_place_was_taken_ends_whatever_it_does_first(ready: Settings, then: Callable[[Clicks], None]) -> None:
    """It looked like a broker that is away, and was waited for, for ever (found by the fault suite)."""
    with pytest.raises(AlreadyRunningError, match="place in its group is lost"):
        taken_over(ready, then)
