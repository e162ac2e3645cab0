"""A block that can't be read is never passed over in silence."""

from __future__ import annotations

import msgspec
import pytest

from streams.errors import StateError
from streams.kafka import end_offsets
from streams.outbox import Outbox
from streams.records import records_until_end
from streams.roles.profiler import Profiler
from streams.settings import Settings
from tests.faults.known_log import KnownLog
from tests.roles.test_profiler import blocks_of, positions, step_often, stored_states, undisturbed_states, work


def corrupt(block: bytes) -> bytes:
    return block[: len(block) // 2]


@pytest.mark.parametrize("headers", [[], [("userprism-control", b"erase")]])
def test_a_corrupt_block_stops_the_profiler(ready: Settings, headers: list[tuple[str, bytes | None]]) -> None:
    log = KnownLog(8, 1_000)
    good = blocks_of(ready, log)
    work(ready, [good])
    before = positions(ready)
    outbox = Outbox(ready)
    outbox.send(ready.kafka.topics.clicks, corrupt(good[0][1]), partition=good[0][0], headers=headers)
    outbox.flush(10)
    outbox.close()

    profiler = Profiler(ready)
    with pytest.raises(StateError, match=rf"clicks\[{good[0][0]}\] offset {before[good[0][0]]} can't be read"):
        step_often(profiler)
    profiler.close()
    assert positions(ready) == before


def test_a_corrupt_block_is_set_aside_when_that_is_asked_for(ready: Settings) -> None:
    log = KnownLog(9, 1_000)
    good = blocks_of(ready, log)
    profiler = msgspec.structs.replace(ready.profiler, corrupt_blocks="dead_letter")
    aside = msgspec.structs.replace(ready, profiler=profiler)
    half = len(good) // 2
    work(aside, [good[:half], [(good[0][0], corrupt(good[0][1]))], good[half:]])

    letters = list(records_until_end(ready, ready.kafka.topics.dead_letters))
    assert [letter.value() for letter in letters] == [corrupt(good[0][1])]
    headers = dict(letters[0].headers() or [])
    assert (headers["dlq_reason"], headers["dlq_step"]) == (b"corrupt_block", b"profiler")
    assert positions(ready) == {p: end for p, end in end_offsets(ready, ready.kafka.topics.clicks).items() if end}
    assert stored_states(ready) == undisturbed_states(ready, good)
