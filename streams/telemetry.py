"""What a role tells the outside: log lines on stderr, and a status file that `status` and the live table read."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import msgspec

__all__ = [
    "RoleStatus",
    "Stages",
    "configure_logging",
    "forget_statuses",
    "instances",
    "numbered",
    "read_statuses",
]

_STATUS_INTERVAL_S = 0.5


def configure_logging(role: str, level: str = "INFO") -> None:
    """Log to stderr, one line an entry, with the role's name and UTC time."""
    formatter = logging.Formatter(f"%(asctime)s.%(msecs)03dZ {role} %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = _ToStderr()
    handler.setFormatter(formatter)
    logging.basicConfig(level=level, handlers=[handler], force=True)


class _ToStderr(logging.StreamHandler[TextIO]):
    """Writes to what stderr is now: a thread may log when whatever stood in for it at first has been closed."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Standard error."""
        return sys.stderr


class RoleStatus:
    """A small JSON file `<run_dir>/<name>.json` that always holds the role's latest numbers.

    Parameters
    ----------
    run_dir : Path
        Created when missing.
    name : str
        The role's instance, e.g. ``profiler-0``.

    Notes
    -----
    `state` is ``starting``, ``ready`` (subscribed and able to work), ``paused`` or ``stopping``. Writing is atomic (a
    rename) and happens at most twice a second unless `state` changes.
    """

    def __init__(self, run_dir: Path, name: str) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        self._path = run_dir / f"{name}.json"
        self._fields: dict[str, Any] = {"role": name, "pid": os.getpid(), "state": "starting", "since": time.time()}
        self._written_at = 0.0
        self._write()

    def update(self, **fields: Any) -> None:
        """Merge `fields` in; numbers are cumulative unless their name says otherwise."""
        changed = fields.get("state", self._fields["state"]) != self._fields["state"]
        self._fields.update(fields)
        if changed or time.monotonic() - self._written_at >= _STATUS_INTERVAL_S:
            self._write()

    def close(self) -> None:
        """Remove the file: the role has stopped cleanly."""
        self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_bytes(msgspec.json.encode(self._fields))
        temporary.replace(self._path)
        self._written_at = time.monotonic()


def read_statuses(run_dir: Path) -> dict[str, dict[str, Any]]:
    """Return the latest status of every role that left one, by name; a half-gone file is skipped.

    `updated` (Unix time, s) is the file system's word: a role whose own clock is wrong isn't silent.
    """
    statuses: dict[str, dict[str, Any]] = {}
    for path in sorted(run_dir.glob("*.json")):
        try:
            fields, updated = msgspec.json.decode(path.read_bytes()), path.stat().st_mtime
        except (FileNotFoundError, msgspec.DecodeError):
            continue
        if isinstance(fields, dict) and "role" in fields:
            statuses[fields["role"]] = {**fields, "updated": updated}
    return statuses


def forget_statuses(run_dir: Path) -> None:
    """Remove what roles left that were killed: nobody here runs any more."""
    for path in run_dir.glob("*.json"):
        with contextlib.suppress(FileNotFoundError, msgspec.DecodeError):
            fields = msgspec.json.decode(path.read_bytes())
            if isinstance(fields, dict) and "role" in fields:
                path.unlink()


def numbered(instance_id: str, number: str) -> str:
    """Return the instance id of another process of a role: ``profiler-0`` and "1" give ``profiler-1``."""
    return f"{instance_id.removesuffix('-0')}-{number}" if number else instance_id


def instances(statuses: Mapping[str, dict[str, Any]], instance_id: str) -> list[dict[str, Any]]:
    """Return the statuses of a role's processes here: the one named so, and those numbered beside it."""
    base = instance_id.removesuffix("-0")
    return [
        fields
        for name, fields in statuses.items()
        if name == instance_id or (name.startswith(f"{base}-") and name.removeprefix(f"{base}-").isdecimal())
    ]


class Stages:
    """Seconds spent in each named stage of a role, for the status file and the benchmarks.

    Examples
    --------
    >>> stages = Stages()
    >>> with stages("decode"):
    ...     pass
    >>> sorted(stages.seconds)
    ['decode']
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the time of the block to `name`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started
