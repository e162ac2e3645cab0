"""Whoever is cleared is as if they had never come, and others don't notice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given

from streams.profiles import PartitionState
from tests.profiles.test_state import RECORD_US, blocks, events, new_state

LATER_US = RECORD_US + 3_600_000_000  # the dedup window has passed: events come again under the same ids


def names(state: PartitionState) -> list[str]:
    return list(state.ids(np.arange(state.people, dtype=np.int32)).to_pylist())


def packed(state: PartitionState, people: list[str]) -> dict[str, bytes]:
    rows = np.array([state.row_of(name) for name in people], np.int32)
    return dict(zip(people, state.pack(rows).to_pylist(), strict=True))


@given(events, events)
def test_a_cleared_person_starts_from_nothing(first: list[dict[str, object]], then: list[dict[str, object]]) -> None:
    disturbed, fresh, kept = new_state(), new_state(), new_state()
    for state in (disturbed, kept):
        for offset, block in enumerate(blocks(first, [])):
            state.apply(block, offset=offset, record_time_us=RECORD_US)
    erased = str(first[0]["userId"])
    if erased in names(disturbed):
        row = disturbed.row_of(erased)
        disturbed.clear(row)
        assert not disturbed.present(np.array([row], np.int32))[0]

    for state in (disturbed, kept, fresh):
        for offset, block in enumerate(blocks(then, []), start=10):
            state.apply(block, offset=offset, record_time_us=LATER_US)

    everybody = names(disturbed)
    again = [erased] if erased in names(fresh) else []
    assert packed(disturbed, again) == packed(fresh, again)
    others = [name for name in everybody if name != erased]
    assert packed(disturbed, others) == packed(kept, others)


def test_asking_for_somebody_unknown_adds_nobody() -> None:
    state = new_state()

    with pytest.raises(KeyError, match="nobody"):
        state.row_of("nobody")

    assert state.people == 0
