"""The short set: real signals in the middle, nothing lost, nothing twice; and what the long set says of its rows."""

from __future__ import annotations

import json
import random
import socket
import struct
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.faults import FAULTS, SHORT
from tests.faults.harness import Outcome, run_fault
from tests.faults.known_log import KnownLog
from tests.faults.setups import ClockJump, SlowClickHouse, Takeover
from tests.faults.table import named, pieces_of


def test_nothing_is_lost_and_nothing_twice(tmp_path: Path) -> None:
    outcome = run_fault(SHORT, tmp_path / "data", rounds=2 * len(SHORT.turns), seed=11)

    assert set(outcome.kinds) == {fault.name for fault in SHORT.turns}
    assert (outcome.lost, outcome.doubled, outcome.problems) == (0, 0, [])


def test_a_row_is_all_its_stacks_and_names_the_one_that_went_wrong() -> None:
    row = Outcome("f")
    row.add(Outcome("f", 20, landed=19, kinds=Counter(f=19)), seed=1)
    assert row.good

    row.add(Outcome("f", 5, landed=5, lost=1, kinds=Counter(f=5)), seed=21)

    assert (row.rounds, row.landed, row.lost, row.kinds) == (25, 24, 1, Counter(f=24))
    assert row.problems == ["--rounds 5 --seed 21: counts differ"]
    assert not row.good
    assert not Outcome("f", 5).good  # nothing landed


def test_pieces_are_all_the_rounds_each_with_a_seed_of_its_own() -> None:
    pieces = pieces_of(FAULTS, rounds=200, seed=1, whole=False)

    rounds = Counter[int]()
    for piece in pieces:
        rounds[piece.fault] += piece.rounds
        assert piece.rounds <= FAULTS[piece.fault].rounds_a_stack
    assert rounds == {place: 200 // fault.one_of for place, fault in enumerate(FAULTS)}
    assert rounds[0] == 200
    assert len({(piece.fault, piece.seed) for piece in pieces}) == len(pieces)


def test_a_fault_named_in_full_is_that_one() -> None:
    assert [FAULTS[place].name for place in named("kill -9 of intake")] == ["kill -9 of intake"]
    assert len(named("intake")) > 3


@pytest.mark.parametrize("setup", [SlowClickHouse(0.0), Takeover(0.0, "")], ids=["slow", "takeover"])
def test_a_stack_that_fails_leaves_no_proxy_behind(setup: SlowClickHouse | Takeover, tmp_path: Path) -> None:
    stack: Any = SimpleNamespace(clickhouse=SimpleNamespace(port=1))

    with pytest.raises(RuntimeError, match="not ready"), setup.around(stack, tmp_path) as env:  # noqa: PT012 - its end is the point
        (url,) = env.values()
        port = int(json.loads(url).rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port)).close()
        msg = "not ready"
        raise RuntimeError(msg)

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_the_oracle_knows_its_log() -> None:
    log = KnownLog(3, 5_000)

    assert len(log.messages) == log.accepted + log.duplicates + sum(log.dead_letters.values()) == 5_000
    assert KnownLog(3, 5_000).messages == log.messages
    assert min(log.accepted, log.duplicates, *log.dead_letters.values()) > 0


def test_a_clock_that_jumps_never_stays(tmp_path: Path) -> None:
    jump = ClockJump((-1, 0, 1))
    wounds: Any = SimpleNamespace(folder=tmp_path, chance=random.Random(1))
    (tmp_path / "clock").write_bytes(struct.pack("l", 0))
    before = 0
    for _ in range(30):
        assert jump.strike(wounds)
        (now,) = struct.unpack("l", (tmp_path / "clock").read_bytes())
        assert now != before
        before = now
