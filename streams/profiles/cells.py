"""Cells: the few shapes a number about a person can take, each with its update and its merge.

A cell is some 64-bit words; all zeros is the cell of somebody who did nothing yet.

========  =====================================  =====================================
kind      words                                  algebra
========  =====================================  =====================================
COUNT     n                                      exact, any order
SUM       s                                      any order, to rounding
DECAY     t, s of each half-life                 any order, to rounding (DESIGN 5)
MOMENTS   n, mean, M2                            Welford 1962; merged as in Chan 1979
SESSIONS  count, start and end of the newest     in log order
LATEST    value, t                               the newest event's value
NEWEST    t                                      exact, any order
========  =====================================  =====================================
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from streams.kernel import kernel
from streams.profiles._kernel import Int64s

__all__ = [
    "COUNT",
    "DECAY",
    "LATEST",
    "MOMENTS",
    "NEWEST",
    "SESSIONS",
    "SUM",
    "cell_width",
    "merge_cell",
    "take_out_cell",
    "update_cell",
]

Floats = npt.NDArray[np.float64]

COUNT, SUM, DECAY, MOMENTS, SESSIONS, LATEST, NEWEST = range(7)

_WIDTHS = {COUNT: 1, SUM: 1, MOMENTS: 3, SESSIONS: 3, LATEST: 2, NEWEST: 1}


def cell_width(kind: int, parameters: int) -> int:
    """Return the words of a cell; a DECAY cell has one more than half-lives."""
    return 1 + parameters if kind == DECAY else _WIDTHS[kind]


@kernel
def update_cell(
    kind: int, ints: Int64s, floats: Floats, row: int, at: int, time_us: int, value: float, parameters: Floats
) -> None:
    """Let one event into the cell whose words start at `[row, at]`.

    `parameters` holds the rates (1/us) of a DECAY cell and the gap (us) of a SESSIONS cell.
    """
    if kind == COUNT:
        ints[row, at] += 1
    elif kind == SUM:
        floats[row, at] += value
    elif kind == DECAY:
        passed = time_us - ints[row, at]
        if passed >= 0:
            for i in range(len(parameters)):
                floats[row, at + 1 + i] = floats[row, at + 1 + i] * math.exp(-parameters[i] * passed) + value
            ints[row, at] = time_us
        else:
            for i in range(len(parameters)):
                floats[row, at + 1 + i] += value * math.exp(parameters[i] * passed)
    elif kind == MOMENTS:
        ints[row, at] += 1
        delta = value - floats[row, at + 1]
        floats[row, at + 1] += delta / ints[row, at]
        floats[row, at + 2] += delta * (value - floats[row, at + 1])
    elif kind == SESSIONS:
        gap = np.int64(parameters[0])
        if ints[row, at] == 0 or time_us > ints[row, at + 2] + gap:
            ints[row, at] += 1
            ints[row, at + 1] = time_us
            ints[row, at + 2] = time_us
        elif time_us >= ints[row, at + 1] - gap:  # older events belong to a session that is closed and counted
            ints[row, at + 1] = min(ints[row, at + 1], time_us)
            ints[row, at + 2] = max(ints[row, at + 2], time_us)
    elif kind == LATEST:
        if time_us >= ints[row, at + 1]:
            ints[row, at] = np.int64(value)
            ints[row, at + 1] = time_us
    else:
        ints[row, at] = max(ints[row, at], time_us)


@kernel
def merge_cell(
    kind: int, ints: Int64s, floats: Floats, row: int, at: int,
    from_ints: Int64s, from_floats: Floats, from_row: int, from_at: int, parameters: Floats,
) -> None:  # fmt: skip
    """Merge another cell of the same kind into the cell at `[row, at]`."""
    if kind == COUNT:
        ints[row, at] += from_ints[from_row, from_at]
    elif kind == SUM:
        floats[row, at] += from_floats[from_row, from_at]
    elif kind == DECAY:
        passed = from_ints[from_row, from_at] - ints[row, at]
        for i in range(1, len(parameters) + 1):
            mine, theirs = floats[row, at + i], from_floats[from_row, from_at + i]
            if passed >= 0:
                floats[row, at + i] = mine * math.exp(-parameters[i - 1] * passed) + theirs
            else:
                floats[row, at + i] = mine + theirs * math.exp(parameters[i - 1] * passed)
        ints[row, at] = max(ints[row, at], from_ints[from_row, from_at])
    elif kind == MOMENTS:
        mine, theirs = ints[row, at], from_ints[from_row, from_at]
        if theirs and not mine:  # a copy, to the last bit
            for i in range(3):
                ints[row, at + i] = from_ints[from_row, from_at + i]
        elif theirs:
            n = mine + theirs
            delta = from_floats[from_row, from_at + 1] - floats[row, at + 1]
            floats[row, at + 2] += from_floats[from_row, from_at + 2] + delta * delta * mine * theirs / n
            floats[row, at + 1] += delta * theirs / n
            ints[row, at] = n
    elif kind == SESSIONS:
        _merge_sessions(ints, row, at, from_ints, from_row, from_at, np.int64(parameters[0]))
    elif kind == LATEST:
        if from_ints[from_row, from_at + 1] > ints[row, at + 1]:
            ints[row, at] = from_ints[from_row, from_at]
            ints[row, at + 1] = from_ints[from_row, from_at + 1]
    else:
        ints[row, at] = max(ints[row, at], from_ints[from_row, from_at])


@kernel
def take_out_cell(
    kind: int, ints: Int64s, floats: Floats, row: int, at: int,
    from_ints: Int64s, from_floats: Floats, from_row: int, from_at: int, parameters: Floats,
) -> None:  # fmt: skip
    """Undo `merge_cell` as far as the algebra has an inverse: counts, sums, decayed sums and moments have one.

    Sessions, newest times and newest values don't say what they were before; they stay.
    """
    if kind == COUNT:
        ints[row, at] -= min(from_ints[from_row, from_at], ints[row, at])
    elif kind == SUM:
        floats[row, at] -= from_floats[from_row, from_at]
    elif kind == DECAY:
        passed = ints[row, at] - from_ints[from_row, from_at]  # never negative: a merge keeps the later time
        for i in range(1, len(parameters) + 1):
            left = floats[row, at + i] - from_floats[from_row, from_at + i] * math.exp(-parameters[i - 1] * passed)
            floats[row, at + i] = left
    elif kind == MOMENTS:
        n, theirs = ints[row, at], from_ints[from_row, from_at]
        left = n - theirs
        if theirs and left > 0:
            mean = (floats[row, at + 1] * n - from_floats[from_row, from_at + 1] * theirs) / left
            delta = from_floats[from_row, from_at + 1] - mean
            spread = floats[row, at + 2] - from_floats[from_row, from_at + 2] - delta * delta * left * theirs / n
            floats[row, at + 1] = mean
            floats[row, at + 2] = max(spread, 0.0)
            ints[row, at] = left
        elif theirs:
            ints[row, at], floats[row, at + 1], floats[row, at + 2] = 0, 0.0, 0.0


@kernel
def _merge_sessions(ints: Int64s, row: int, at: int, from_ints: Int64s, from_row: int, from_at: int, gap: int) -> None:
    """Add the counts; newest sessions that touch are one."""
    if from_ints[from_row, from_at] == 0:
        return
    start, end = from_ints[from_row, from_at + 1], from_ints[from_row, from_at + 2]
    if ints[row, at] and start <= ints[row, at + 2] + gap and ints[row, at + 1] <= end + gap:
        ints[row, at] += from_ints[from_row, from_at] - 1
        ints[row, at + 1] = min(ints[row, at + 1], start)
        ints[row, at + 2] = max(ints[row, at + 2], end)
        return
    if ints[row, at] == 0 or end > ints[row, at + 2]:
        ints[row, at + 1] = start
        ints[row, at + 2] = end
    ints[row, at] += from_ints[from_row, from_at]
