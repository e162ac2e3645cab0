"""What a commit says of whom a fit has moved: they went nowhere, the segments did."""

from __future__ import annotations

import numpy as np

from streams.profiles import Layout
from streams.roles._partition import Partition
from streams.settings import Settings
from streams.storage import connect
from streams.storage.restore import restore_partition
from tests.faults.known_log import KnownLog
from tests.roles.test_profiler import blocks_of, work


def test_a_fit_tells_whom_it_moved_and_what_is_learned_does_not(ready: Settings) -> None:
    blocks = blocks_of(ready, KnownLog(31, 400))
    work(ready, [blocks])
    number = blocks[0][0]
    with connect(ready) as client:
        stored = restore_partition(client, number)
    partition = Partition(number, Layout.from_settings(ready.features, ready.segmentation), ready, stored)
    everybody = np.arange(partition.state.people, dtype=np.int32)
    people = len(everybody)
    bases = [1]  # the profiler's own list, which changes under everybody's hands

    def said(segment: int, version: int) -> tuple[dict[int, int], dict[int, int]]:
        """Put everybody in a segment and commit; return where they came from, by the model and by themselves."""
        partition.labels.stabiliser.seed_labels(everybody, np.full(people, segment, np.int64))
        partition.mark(everybody)
        prepared = partition.prepare([version], bases)
        partition.committed(prepared)
        rows = [row for row in prepared.part.activity if row.segment == segment]
        return (
            {origin: n for row in rows for origin, n in row.by_model.items()},
            {origin: n for row in rows for origin, n in row.inflow.items()},
        )

    said(1_004, 1)
    by_model, _ = said(1_005, 2)
    assert by_model == {}
    bases[0] = 3
    assert said(1_006, 3) == ({1_005: people}, {})
