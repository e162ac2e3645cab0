"""People whose content becomes known: they are looked at at once, or when they are observed anyway."""

from __future__ import annotations

import time

import numpy as np
import pytest

from streams.contract import Contract, Incoming, Limits
from streams.profiles import Layout, VectorTable
from streams.profiles.segmentations import Segmentations
from streams.roles._clicks import Record
from streams.roles._partition import Partition
from streams.settings import Settings
from streams.shop import Shop, Truth
from tests.identity.real import stored_partition

DIM = 128


@pytest.fixture
def people() -> tuple[Partition, Segmentations, VectorTable, np.ndarray]:
    """Labelled people of the shop whose content nothing is known of yet, and its ids."""
    settings = Settings()
    layout = Layout.from_settings(settings.features, settings.segmentation)
    partition = Partition(0, layout, settings, stored_partition({}))
    values = [
        value for chunk in Shop(4, end_us=time.time_ns() // 1000).events(6_000, Truth()) for _, value, *_ in chunk
    ]
    now_ms = time.time_ns() // 1_000_000
    result = Contract(1, Limits(), 600_000_000).apply(
        values, [now_ms] * len(values), lambda i: Incoming("e", 0, i, None, [])
    )
    for offset, (_, block) in enumerate(result.blocks):
        partition.apply(Record(0, offset, now_ms * 1000, bytes(block)))
    table = VectorTable(DIM)
    segmentations = Segmentations(settings.segmentations, table)
    segmentations.fit_if_due([(partition.state, partition.labels)], drained=False)
    segmentations.observe([(partition.state, partition.labels)], [partition.take_unobserved()])
    prepared = partition.prepare([0])
    partition.committed(prepared)
    return partition, segmentations, table, np.array([content.content_id for content in result.contents], np.uint64)


def test_who_is_observed_soon_is_looked_at_once_and_then(
    people: tuple[Partition, Segmentations, VectorTable, np.ndarray],
) -> None:
    partition, segmentations, table, content = people
    state, labels = partition.state, partition.labels
    everybody = state.rows_touching(content)
    soon, others = everybody[::3], np.setdiff1d(everybody, everybody[::3])
    assert len(soon)
    assert len(others)
    assert not labels.known[everybody].any()
    table.upsert(content, np.random.default_rng(1).normal(size=(len(content), DIM)).astype(np.float32))

    before = labels.of(soon).copy()
    changed = segmentations.relabel(state, labels, everybody, soon)

    np.testing.assert_array_equal(labels.of(soon), before)  # until then they are where they were
    assert (labels.known[others] > 0).all()
    assert not labels.known[soon].any(), "nobody has looked at them yet"
    assert set(changed.tolist()) <= set(others.tolist())
    smooth = labels.stabiliser.vectors(others).copy()

    segmentations.observe([(state, labels)], [soon])

    assert (labels.of(soon) >= 0).all()
    assert (labels.known[soon] > 0).all()
    # They begin anew: what they were like before their content was known counts for nothing.
    points = segmentations.all[0]._space.transform(segmentations.all[0]._space.raw(state, soon)[0])
    np.testing.assert_allclose(labels.stabiliser.vectors(soon), points, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(labels.stabiliser.vectors(others), smooth)


def test_nobody_begins_anew_for_content_of_a_space_that_has_gone(
    people: tuple[Partition, Segmentations, VectorTable, np.ndarray],
) -> None:
    partition, segmentations, _, content = people
    segmentations.all[0]._strange = True  # a version of another space is on its way

    rows = partition.state.rows_touching(content)
    assert not len(segmentations.relabel(partition.state, partition.labels, rows, rows))

    assert not partition.labels.anew.any()


def test_who_came_is_told_without_being_taken(
    people: tuple[Partition, Segmentations, VectorTable, np.ndarray],
) -> None:
    partition, *_ = people
    assert not len(partition.unobserved)
    partition._unobserved = [np.array([2, 1], np.int32), np.array([2], np.int32)]

    assert partition.unobserved.tolist() == [1, 2]
    assert partition.unobserved_rows == 3
    assert partition.take_unobserved().tolist() == [1, 2]
    assert not len(partition.unobserved)
