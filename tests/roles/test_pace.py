"""When commits are due: fresh events soon, a backlog seldom, and at once for whoever takes over."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from streams.roles import _pace
from streams.roles._clicks import Record
from streams.roles._pace import Pace

INTERVAL_S = 2.0
START_S = 1_000_000.0


@dataclass
class Clock:
    """The only clock there is."""

    now_s: float = START_S

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return self.now_s


@dataclass
class Changes:
    """What a partition knows of a commit to come."""

    newest_source_ms: int
    dirty_rows: int = 10


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_pace, "time", clock)
    return clock


def record(*, more: bool = False, sources: bool = True) -> Record:
    return Record(0, 0, 0, b"", sources={0: 1} if sources else {}, more=more)


def begun(*, held: bool = False) -> Pace:
    """Return the pace of somebody who has just read their first block, and stands at the log's end."""
    pace = Pace(INTERVAL_S, lambda: True)
    pace.has_taken_up(held=held)
    pace.has_changed()
    pace.has_polled([record()])
    return pace


def due_after(pace: Pace, clock: Clock, age_s: float | None, *, more: bool = False, reading: bool = True) -> float:
    """Return how long it takes until a commit is due, in steps of 10 ms, while blocks come whose events are so old."""
    began_s = clock.now_s
    while True:
        changes = Changes(0 if age_s is None else round(1000 * (clock.now_s - age_s)))
        if pace.commit_due([changes], on_its_way=False):
            break
        clock.now_s += 0.01
        if reading:
            pace.has_polled([record(more=more)])
        assert clock.now_s < began_s + 60
    return clock.now_s - began_s


@pytest.mark.parametrize(("age_s", "held", "at_once"), [(0, False, True), (9, False, False), (9, True, True)])
def test_the_first_commit_comes_at_once_unless_it_is_the_begin_of_a_backlog(
    clock: Clock, age_s: float, held: bool, at_once: bool
) -> None:
    assert (due_after(begun(held=held), clock, age_s) == 0.0) is at_once


@pytest.mark.parametrize(("age_s", "interval_s"), [(0.5, INTERVAL_S), (9, 4.0)])
def test_a_backlog_is_committed_less_often(clock: Clock, age_s: float, interval_s: float) -> None:
    pace = begun(held=True)
    pace.has_committed(some=True)

    assert due_after(pace, clock, age_s) == pytest.approx(interval_s, abs=0.02)


@pytest.mark.parametrize(("more", "quiet_s"), [(False, 0.15), (True, 1.0)])
def test_a_log_whose_writer_has_more_to_say_is_read_later(clock: Clock, more: bool, quiet_s: float) -> None:
    pace = begun()
    pace.has_committed(some=True)
    pace.has_polled([record(more=more), record(sources=False)])

    assert due_after(pace, clock, age_s=9, reading=False) == pytest.approx(quiet_s, abs=0.02)


def test_the_end_of_a_backlog_is_committed_once_there_is_a_pause(clock: Clock) -> None:
    pace = begun()
    pace.has_committed(some=True)
    reading = due_after(pace, clock, age_s=9)
    pace.has_committed(some=True)
    pace.has_changed()
    clock.now_s += INTERVAL_S / 2
    pace.has_polled([record()])

    assert reading == pytest.approx(4.0, abs=0.02)
    assert due_after(pace, clock, age_s=9, reading=False) == pytest.approx(0.05, abs=0.02)


def test_segments_that_changed_without_an_event_are_no_backlog(clock: Clock) -> None:
    pace = begun()
    pace.has_committed(some=True)

    assert due_after(pace, clock, age_s=None) == pytest.approx(INTERVAL_S, abs=0.02)


def test_a_commit_with_nothing_in_it_shows_nobody_that_anybody_is_there(clock: Clock) -> None:
    pace = begun(held=True)
    pace.has_committed(some=False)

    assert due_after(pace, clock, age_s=9) == 0.0


@pytest.mark.parametrize(("spoke", "waits"), [(False, False), (True, True)])
def test_second_looks_wait_for_what_owners_have_just_said(clock: Clock, spoke: bool, waits: bool) -> None:
    pace = begun()
    pace.has_looked_again()
    clock.now_s += 3.0
    pace.has_polled([record()], spoke=spoke)

    assert pace.may_look_again is not waits
    pace.has_polled([])
    assert pace.may_look_again
