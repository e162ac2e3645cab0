"""Partitions beside each other: answers in the order of the questions, and nothing runs on when one has failed."""

from __future__ import annotations

import threading

import pytest

from streams.roles._beside import Beside


@pytest.mark.parametrize("threads", [1, 3])
def test_answers_come_in_the_order_of_the_questions(threads: int) -> None:
    beside = Beside(threads)

    assert beside.map(lambda a, b: a * b, range(20), range(20)) == [i * i for i in range(20)]
    assert beside.map(lambda a: a, []) == []
    beside.close()


def test_a_failure_is_told_when_nothing_runs_any_more() -> None:
    beside, ended, failed = Beside(2), threading.Event(), threading.Event()

    def work(fails: bool) -> None:
        if fails:
            failed.set()
            raise LookupError
        assert failed.wait(10)
        ended.wait(0.2)
        ended.set()

    with pytest.raises(LookupError):
        beside.map(work, [True, False])

    assert ended.is_set()
    beside.close()
