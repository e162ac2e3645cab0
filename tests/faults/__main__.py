"""`python -m tests.faults --rounds 200 --seed 1`: every fault, as one table and one JSON line; exit 1 on any loss."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.faults.faults import FAULTS
from tests.faults.harness import Fault, Outcome, run_fault

#: Rounds of one stack; each is paid for with log, so that a round hits a stack at work.
_ROUNDS_A_RUN = 10
_EVENTS_A_ROUND = 5_000


def main() -> None:
    """Run the long set."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of the first fault; the others get a tenth")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="faults whose name contains this")
    options = parser.parse_args()
    console = Console(stderr=True, highlight=False)
    outcomes = []
    for place, fault in enumerate(FAULTS):
        if options.only in fault.name:
            wanted = options.rounds if place == 0 or options.only else max(options.rounds // 10, 1)
            outcomes.append(_all_rounds(fault, wanted, options.seed, console))
    console.print(_table(outcomes))
    print(json.dumps([asdict(outcome) for outcome in outcomes]))
    sys.exit(0 if all(map(_good, outcomes)) else 1)


def _all_rounds(fault: Fault, rounds: int, seed: int, console: Console) -> Outcome:
    total = Outcome(fault.name, 0, 0, 0, 0, 0.0, [])
    while total.rounds < rounds:
        now = min(_ROUNDS_A_RUN, rounds - total.rounds)
        with tempfile.TemporaryDirectory(prefix="userprism-faults-", ignore_cleanup_errors=True) as folder:
            events = now * _EVENTS_A_ROUND + 10_000
            done = run_fault(fault, Path(folder) / "data", rounds=now, seed=seed + total.rounds, events=events)
        total = Outcome(
            fault.name,
            total.rounds + done.rounds,
            total.landed + done.landed,
            total.lost + done.lost,
            total.doubled + done.doubled,
            max(total.recovery_s, done.recovery_s),
            [*total.problems, *(f"seed {seed + total.rounds}: {problem}" for problem in done.problems)],
        )
        console.print(f"{fault.name}: {total.rounds} of {rounds} rounds, {total.landed} landed")
    return total


def _good(outcome: Outcome) -> bool:
    return outcome.landed > 0 and not (outcome.lost or outcome.doubled or outcome.problems)


def _table(outcomes: list[Outcome]) -> Table:
    table = Table("fault", "rounds", "landed", "lost", "doubled", "recovery s", "what else is wrong")
    for outcome in outcomes:
        numbers = (outcome.rounds, outcome.landed, outcome.lost, outcome.doubled, outcome.recovery_s)
        table.add_row(outcome.fault, *map(str, numbers), "; ".join(outcome.problems[:3]))
    return table


if __name__ == "__main__":
    main()
