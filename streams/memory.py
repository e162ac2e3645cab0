"""Memory that a stream has used once stays with it: what is freed is used again, not given back and asked for anew.

A block lives for milliseconds, so glibc hands its pages back to the system and faults them in again for the next one.
With 200,000 shop events that was a third of all processor time of intake, profiler and broker (half a second of three
virtual cores' work; a page that the host must find first costs up to 17 us), and a sixth of it with these settings.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

__all__ = ["ENGINE_KEEPING_ENV", "KEEPING_ENV", "available_bytes", "collect_seldom", "keep_memory", "resident_bytes"]

#: For programs that aren't ours: the same by glibc's tunables.
KEEPING_ENV = {
    "GLIBC_TUNABLES": (
        "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=4294967296:"
        "glibc.malloc.top_pad=16777216:glibc.malloc.arena_max=1"
    )
}

#: For the ClickHouse engine, which brings jemalloc under a prefix of its own.
ENGINE_KEEPING_ENV = {"JE_MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1"}

# mallopt(3); <malloc.h>
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_NEVER = 2**31 - 1
_TOP_PAD_BYTES = 16 << 20

#: New objects before the young ones are searched for cycles (Python: 700), and how many such searches before older ones
#: and all of them are (10 and 10).
_SELDOM = 100_000, 50, 100


def resident_bytes(pid: int) -> int:
    """Return how much memory a process holds; 0 where the system doesn't say, or it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def available_bytes() -> int:
    """Return how much memory processes may still take without anybody being pushed out; 0 where nobody says."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)


def keep_memory(reserve_bytes: int) -> None:
    """Keep what is freed from now on, and touch the first pages before the stream needs them; glibc only.

    Parameters
    ----------
    reserve_bytes : int
        How much the role needs under load anyway.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library: nothing to tell
        return
    for option, value in (
        (_ARENA_MAX, 1), (_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _TOP_PAD_BYTES),
    ):  # fmt: skip
        mallopt(option, value)
    pa.set_memory_pool(pa.system_memory_pool())
    np.empty(reserve_bytes, np.uint8)[::4096] = 0


def collect_seldom() -> None:
    """Leave it to reference counts, nearly always, to let go of objects; what there is by now stays for good.

    A stream makes and drops hundreds of thousands of objects that are in no cycle, and a profiler remembers as many
    about ids: Python's own thresholds have them searched over and over (6 to 14 % of its time with many merges).
    """
    gc.freeze()
    gc.set_threshold(*_SELDOM)
