"""The short set: a real signal in the middle, nothing lost, nothing twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.faults import FAULTS, SHORT
from tests.faults.harness import Fault, run_fault
from tests.faults.known_log import KnownLog


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.name in SHORT], ids=lambda fault: fault.name)
def test_nothing_is_lost_and_nothing_twice(fault: Fault, tmp_path: Path) -> None:
    outcome = run_fault(fault, tmp_path / "data", rounds=2, seed=11)

    assert outcome.landed > 0
    assert (outcome.lost, outcome.doubled, outcome.problems) == (0, 0, [])


def test_the_oracle_knows_its_log() -> None:
    log = KnownLog(3, 5_000)

    assert len(log.messages) == log.accepted + log.duplicates + sum(log.dead_letters.values()) == 5_000
    assert KnownLog(3, 5_000).messages == log.messages
    assert min(log.accepted, log.duplicates, *log.dead_letters.values()) > 0
