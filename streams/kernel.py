"""How every numba loop of `streams` is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba

__all__ = ["kernel"]


def kernel(function: Callable[..., object]) -> Callable[..., Any]:
    """Compile a loop with numba, cached on disk; no fast-math, so that equal input means equal bits."""
    compiled: Callable[..., Any] = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled
