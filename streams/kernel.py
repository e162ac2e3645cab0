"""How every numba loop of `streams` is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

__all__ = ["kernel"]

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}


def kernel(function: Callable[..., object]) -> Callable[..., Any]:
    """Compile a loop with numba, cached on disk; no fast-math, so that equal input means equal bits.

    A kernel makes no array: it fills those it is given. numba then needn't count references to them (`_nrt`), which it
    otherwise does with two atomic operations for each array at each call of another kernel, half of the time of a
    small one. A kernel that makes an array all the same isn't compiled.
    """
    compiled: Callable[..., Any] = numba.njit(**_OPTIONS)(function)
    return compiled
