"""Every fault, as one table and one JSON line: `python -m tests.faults --rounds 200 --seed 1`; exit 1 on any loss.

A row's rounds are cut into pieces, each on a stack and with a seed of its own, compared with the oracle at its end.
Some stacks run side by side: most faults wait for something. Recovery is what it takes beside the others, then;
`--jobs 1` measures it alone.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from streams.embedded.launch import die_with
from tests.faults.faults import FAULTS
from tests.faults.harness import Fault, Outcome, run_fault

__all__ = ["main", "named", "pieces_of"]

#: Stacks at once on two cores: a round is mostly a process that starts on one of them, or a wait.
_JOBS = 3
_LOOK_EVERY_S = 0.5


class Piece(NamedTuple):
    """So many rounds of the fault at a place of `FAULTS`, on one stack."""

    fault: int
    rounds: int
    seed: int


def main() -> None:
    """Run the long set."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of the first fault; others get a tenth, or less")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="the fault of this name, or all whose name contains it; all rounds")
    parser.add_argument("--seconds", type=float, default=0.0, help="begin no stack after so many; 0: no limit")
    parser.add_argument("--jobs", type=int, default=_JOBS, help="stacks side by side")
    options = parser.parse_args()
    places = named(options.only)
    if not places:
        parser.error(f"no fault is called {options.only!r}; there are {', '.join(fault.name for fault in FAULTS)}")
    pieces = [
        piece
        for piece in pieces_of(FAULTS, rounds=options.rounds, seed=options.seed, whole=bool(options.only))
        if piece.fault in places
    ]
    console = Console(stderr=True, highlight=False, width=160)
    rows = _run(pieces, options.jobs, options.seconds or float("inf"), console)
    console.print(_table(rows))
    print(json.dumps([vars(row) for row in rows]))
    sys.exit(0 if all(row.good for row in rows) else 1)


def named(text: str) -> list[int]:
    """Return the places of the faults that are meant: the one of that name, or all whose name contains it."""
    exact = [place for place, fault in enumerate(FAULTS) if fault.name == text]
    return exact or [place for place, fault in enumerate(FAULTS) if text in fault.name]


def pieces_of(faults: Sequence[Fault], *, rounds: int, seed: int, whole: bool) -> list[Piece]:
    """Cut all rounds into pieces; with `whole` every fault gets all of them.

    A piece's seed is the first one plus the rounds before it, so that a piece alone can be run again.
    """
    pieces = []
    for place, fault in enumerate(faults):
        wanted = rounds if whole else max(rounds // fault.one_of, 1)
        for done in range(0, wanted, fault.rounds_a_stack):
            pieces.append(Piece(place, min(fault.rounds_a_stack, wanted - done), seed + done))
    return pieces


def _run(pieces: Sequence[Piece], jobs: int, seconds: float, console: Console) -> list[Outcome]:
    """Run all pieces, some at once; print each row when its last piece is done."""
    deadline = time.monotonic() + seconds
    rows = {piece.fault: Outcome(FAULTS[piece.fault].name) for piece in pieces}
    left = Counter(piece.fault for piece in pieces)
    todo, running = list(pieces), dict[Future[Outcome], Piece]()
    context = multiprocessing.get_context("spawn")
    done_rounds = context.Value("l", 0)
    columns = TextColumn("rounds"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with (
        Progress(*columns, console=console) as bar,
        ProcessPoolExecutor(jobs, context, initializer=_begin, initargs=(os.getpid(), done_rounds)) as pool,
    ):
        task = bar.add_task("", total=sum(piece.rounds for piece in pieces))
        while running or (todo and time.monotonic() < deadline):
            while todo and len(running) < jobs and time.monotonic() < deadline:
                piece = todo.pop(0)
                running[pool.submit(_run_piece, piece)] = piece
            for future in wait(running, _LOOK_EVERY_S, FIRST_COMPLETED).done:
                piece = running.pop(future)
                rows[piece.fault].add(future.result(), piece.seed)
                left[piece.fault] -= 1
                if not left[piece.fault]:
                    bar.console.print(_line(rows[piece.fault]))
            bar.update(task, completed=done_rounds.value)
    return list(rows.values())


_done_rounds: Any = None


def _begin(parent: int, done_rounds: Any) -> None:
    die_with(parent, signal.SIGKILL)  # and the stack with this process: who ends the table ends everything
    global _done_rounds  # noqa: PLW0603 - what a pool's processes share can only come in this way
    _done_rounds = done_rounds
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)  # a dead ClickHouse is no news here


def _count_round() -> None:
    with _done_rounds.get_lock():
        _done_rounds.value += 1


def _run_piece(piece: Piece) -> Outcome:
    fault = FAULTS[piece.fault]
    folder = Path(tempfile.mkdtemp(prefix="userprism-faults-"))
    run = partial(run_fault, fault, folder / "data", rounds=piece.rounds, seed=piece.seed, after_round=_count_round)
    try:
        done = run()
    except Exception as error:  # one stack's end is a row's problem, not the table's
        done = Outcome(fault.name, piece.rounds, problems=[f"{type(error).__name__}: {str(error)[:500]}"])
    if done.problems or done.lost or done.doubled:
        done.problems.append(f"logs and tables are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return done


def _line(row: Outcome) -> str:
    said = [f"{row.fault}: {row.rounds} rounds, {row.landed} landed, {row.lost} lost, {row.doubled} doubled"]
    said += [f"{row.broker_lost} lost by the broker"] if row.broker_lost else []
    return ", ".join([*said, f"recovery {row.recovery_s} s, {row.seconds} s in all", *row.problems[:5]])


def _table(rows: Sequence[Outcome]) -> Table:
    table = Table(
        "fault", "rounds", "landed", "lost", "doubled", "lost by the broker", "recovery s", "s", "what else is wrong"
    )
    for o in rows:
        numbers = (o.rounds, o.landed, o.lost, o.doubled, o.broker_lost, o.recovery_s, o.seconds)
        table.add_row(o.fault, *map(str, numbers), "; ".join(o.problems[:3]))
    return table
