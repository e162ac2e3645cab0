"""Marks for an intake that reads events again which count already: a file beside the embedded broker's data.

Only a broker that forgets makes it needed (`streams.contract.marks`), and it goes with that broker's data.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from streams.contract.marks import Applied
from streams.settings import Settings

__all__ = ["read_marks", "write_marks"]


def write_marks(settings: Settings, marks: Mapping[int, Mapping[int, int]]) -> None:
    """Leave them where intake looks when it starts."""
    _path(settings).parent.mkdir(parents=True, exist_ok=True)
    temporary = _path(settings).with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.encode(marks))
    temporary.replace(_path(settings))


def read_marks(settings: Settings) -> Applied | None:
    """Return them; None when there are none."""
    try:
        return Applied(msgspec.json.decode(_path(settings).read_bytes(), type=dict[int, dict[int, int]]))
    except FileNotFoundError:
        return None


def _path(settings: Settings) -> Path:
    return settings.data / "broker" / "applied-marks.json"
