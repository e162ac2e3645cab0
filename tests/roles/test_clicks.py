"""The profiler's end of the log: what was given to us stays ours, also when restoring it fails at first."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from streams.errors import UnavailableError
from streams.roles._clicks import Clicks, Record
from streams.settings import Settings
from tests.faults.known_log import KnownLog
from tests.roles.test_profiler import blocks_of, send

PATIENCE_S = 30.0


def poll_for_ever(clicks: Clicks) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        clicks.poll()


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
