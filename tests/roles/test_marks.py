"""A position row says how far the events topic has come into its partition."""

from __future__ import annotations

from streams.contract.marks import SOURCES_HEADER, encode_sources
from streams.embedded.padding import stored_marks
from streams.outbox import Outbox
from streams.settings import Settings
from tests.faults.known_log import KnownLog
from tests.roles.test_profiler import blocks_of, work


def test_marks_are_kept_through_commits_and_restarts(ready: Settings) -> None:
    blocks = blocks_of(ready, KnownLog(12, 800))
    outbox = Outbox(ready)
    (first, block), (second, other) = next((a, b) for a in blocks for b in blocks if a[0] != b[0])
    for partition, value, sources in ((first, block, {0: 7, 1: 3}), (second, other, {0: 5})):
        headers = [(SOURCES_HEADER, encode_sources(sources))]
        outbox.send(ready.kafka.topics.clicks, value, partition=partition, headers=headers)
    outbox.flush(10)
    work(ready, [])
    assert stored_marks(ready) == {first: {0: 7, 1: 3}, second: {0: 5}}

    outbox.send(
        ready.kafka.topics.clicks, block, partition=first, headers=[(SOURCES_HEADER, encode_sources({0: 9, 1: 2}))]
    )
    outbox.flush(10)
    outbox.close()
    work(ready, [])

    assert stored_marks(ready) == {first: {0: 9, 1: 3}, second: {0: 5}}
