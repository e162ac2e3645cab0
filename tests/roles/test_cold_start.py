"""Titles that nobody has seen: clicks come first, vectors later, and the end is as if they had been known at once."""

from __future__ import annotations

import time

import numpy as np

from encoders import content_space
from streams.profiles import VectorTable, interest
from streams.roles.encoder import EncoderRole
from streams.roles.profiler import Profiler
from streams.settings import Settings
from streams.storage import connect
from streams.storage.content import stored_vectors
from tests.roles.test_profiler import stored_states, undisturbed_states
from tests.roles.test_switch import PATIENCE_S, PEOPLE, TITLES, run_until, send, views

ITEMS = 40


def test_vectors_that_come_late_change_nothing_about_the_end(own: Settings) -> None:
    blocks = send(own, [e for i in range(ITEMS) for e in views(i, TITLES[i % 4], range(i % 7, PEOPLE, 1 + i % 3))])
    profiler = Profiler(own)
    deadline = time.monotonic() + PATIENCE_S
    while sum(p.state.accepted for p in profiler._partitions.values()) == 0 or not profiler._pace.log_read:
        profiler.step()
        assert time.monotonic() < deadline
    profiler.commit()
    assert len(profiler._vectors.table) == 0, "no vector was known while the clicks were counted"
    early = stored_states(own)

    encoder = EncoderRole(own)
    try:
        run_until(encoder, profiler, "one/1", ITEMS)

        assert early == undisturbed_states(own, blocks)
        assert stored_states(own) == early
        known = VectorTable(4)
        projection = content_space("one", models_dir=own.encoder.models_dir).projection(4)
        with connect(own) as client:
            for ids, vectors in stored_vectors(client, "one/1"):
                known.upsert(ids, projection.apply(vectors))
        assert len(known) == ITEMS
        for partition in profiler._partitions.values():
            rows = np.arange(partition.state.people, dtype=np.int32)
            if len(rows):
                raw, share = profiler._segmentations.all[0]._space.raw(partition.state, rows)
                expected, all_known = interest(*partition.state.touches(rows), known)
                np.testing.assert_array_equal(raw[:, -4:], expected)
                np.testing.assert_array_equal(share, all_known)
                assert (share == 1.0).all()
                assert (partition.labels.known[rows] == 1.0).all(), "everybody was looked at again"
    finally:
        encoder.close()
        profiler.close()
