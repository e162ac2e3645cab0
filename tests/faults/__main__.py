"""`python -m tests.faults --rounds 200 --seed 1`: every fault, as one table and one JSON line; exit 1 on any loss."""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.faults import FAULTS
from tests.faults.harness import Fault, Outcome, run_fault

#: Rounds of one stack: starting one costs as much as some rounds.
_ROUNDS_A_STACK = 25


def main() -> None:
    """Run the long set."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of the first fault; the others get a tenth")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="faults whose name contains this")
    parser.add_argument("--seconds", type=float, default=0.0, help="begin no stack after so many; 0: no limit")
    options = parser.parse_args()
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)  # a dead ClickHouse is no news here
    console = Console(stderr=True, highlight=False, width=160)
    outcomes = []
    deadline = time.monotonic() + options.seconds if options.seconds else float("inf")
    for place, fault in enumerate(FAULTS):
        if options.only in fault.name:
            wanted = options.rounds if place == 0 or options.only else max(options.rounds // 10, 1)
            outcomes.append(_all_rounds(fault, wanted, options.seed, console, deadline))
    console.print(_table(outcomes))
    print(json.dumps([asdict(outcome) for outcome in outcomes]))
    sys.exit(0 if all(outcome.good for outcome in outcomes) else 1)


def _all_rounds(fault: Fault, rounds: int, seed: int, console: Console, deadline: float) -> Outcome:
    total = Outcome(fault.name)
    while total.rounds < rounds and time.monotonic() < deadline:
        now, run_seed = min(_ROUNDS_A_STACK, rounds - total.rounds), seed + total.rounds
        folder = Path(tempfile.mkdtemp(prefix="userprism-faults-"))
        try:
            done = run_fault(fault, folder / "data", rounds=now, seed=run_seed)
        except Exception as error:  # one stack's end is a row's problem, not the table's
            done = Outcome(fault.name, now, problems=[f"{type(error).__name__}: {str(error)[:500]}"])
        total.add(done, run_seed)
        if done.problems or done.lost or done.doubled:
            console.print(f"logs and tables are kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        console.print(f"{fault.name}: {total.rounds} of {rounds} rounds, {total.landed} landed, {total.seconds} s")
    return total


def _table(outcomes: list[Outcome]) -> Table:
    table = Table(
        "fault", "rounds", "landed", "lost", "doubled", "lost by the broker", "recovery s", "s", "what else is wrong"
    )
    for o in outcomes:
        numbers = (o.rounds, o.landed, o.lost, o.doubled, o.broker_lost, o.recovery_s, o.seconds)
        table.add_row(o.fault, *map(str, numbers), "; ".join(o.problems[:3]))
    return table


if __name__ == "__main__":
    main()
