"""Who came is looked at when a commit is due, or when nothing else is to be done, however often they came."""

from __future__ import annotations

import time
from collections import Counter

from streams.contract import decode_block
from streams.kafka import end_offsets
from streams.roles.profiler import Profiler
from streams.settings import Settings
from tests.faults.known_log import KnownLog
from tests.roles.test_profiler import PATIENCE_S, blocks_of, positions, send


def test_a_backlog_is_read_before_its_people_are_looked_at(ready: Settings) -> None:
    log = KnownLog(1, 32_000, people=1_400)
    blocks = blocks_of(ready, log)
    send(ready, blocks)
    reached: Counter[str] = Counter()
    profiler = Profiler(ready, at=lambda point: reached.update([point]))
    learned, looks = 0, 0
    ends = {partition: end for partition, end in end_offsets(ready, ready.kafka.topics.clicks).items() if end}
    deadline = time.monotonic() + PATIENCE_S
    try:
        while positions(ready) != ends:
            commits = reached["after model"]
            profiler.step()
            before, learned = learned, profiler._segmentations.all[0].model.learned
            if learned != before:
                looks += 1
                assert reached["after model"] > commits or profiler._clicks.at_end
            assert time.monotonic() < deadline
    finally:
        profiler.close()

    pairs = sum(len(decode_block(block).person.values) for _, block in blocks)
    assert pairs > 15 * len(log.people)
    assert looks >= 1
    assert learned <= looks * len(log.people)
