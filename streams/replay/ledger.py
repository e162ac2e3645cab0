"""The ledger: how far a replay has come, so that the same command goes on there and adds nothing when it is complete.

It is written after the broker has acknowledged a chunk. What was sent after the last entry is found in the topic,
between the log's ends noted in the entry and its ends now, and isn't sent again.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import xxhash

from streams.kafka import end_offsets
from streams.records import records_until_end
from streams.replay.clock import EventClock
from streams.replay.mapping import Mapping
from streams.replay.publish import Event, publish
from streams.replay.rows import file_hash, read_events
from streams.settings import Settings

__all__ = ["Replay"]


class _Entry(msgspec.Struct):
    file: str
    rows: int = 0
    complete: bool = False
    ends: dict[int, int] = {}


class Replay:
    """One file under one mapping into one topic.

    Parameters
    ----------
    settings : Settings
        The topic, and the data directory in which the ledger lies.
    """

    def __init__(self, settings: Settings, path: Path, mapping: Mapping) -> None:
        self._settings = settings
        self._path = path
        self._mapping = mapping
        parts = (file_hash(path), msgspec.json.encode(mapping).decode(), settings.kafka.topics.events)
        identity = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
        self._file = settings.data / "replay" / f"{identity}.json"
        self._entry = _Entry(str(path))
        if self._file.exists():
            self._entry = msgspec.json.decode(self._file.read_bytes(), type=_Entry)

    @property
    def complete(self) -> bool:
        """Whether everything was sent."""
        return self._entry.complete

    def send(
        self, *, clock: EventClock | None = None, stop: threading.Event | None = None,
        progress: Callable[[int], None] = lambda rows: None,
    ) -> int:  # fmt: skip
        """Send what hasn't been sent; return how many rows of the file are in the topic now."""
        if self.complete:
            return self._entry.rows
        there = self._already_there()
        skip = self._entry.rows
        if not self._entry.ends:
            self._note(0)
        seen = 0
        for chunk in read_events(self._path, self._mapping):
            first, seen = seen, seen + len(chunk)
            if seen <= skip:
                continue
            fresh = list(self._without(chunk[max(skip - first, 0) :], there))
            publish(self._settings, [fresh], clock=clock, stop=stop)
            if stop is not None and stop.is_set():
                return self._entry.rows  # part of the chunk may be in; the next run finds it in the topic
            self._note(seen)
            progress(seen)
        self._entry.complete = True
        self._note(seen)
        return seen

    @staticmethod
    def _without(chunk: list[Event], there: Counter[int]) -> Iterator[Event]:
        for key, value in chunk:
            mark = xxhash.xxh3_64_intdigest(value)
            if there[mark] > 0:
                there[mark] -= 1
            else:
                yield key, value

    def _note(self, rows: int) -> None:
        topic = self._settings.kafka.topics.events
        self._entry.rows = rows
        self._entry.ends = end_offsets(self._settings, topic, committed=False)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_suffix(".tmp")
        temporary.write_bytes(msgspec.json.encode(self._entry))
        temporary.replace(self._file)

    def _already_there(self) -> Counter[int]:
        """Return marks of the values that came after the last entry."""
        marks: Counter[int] = Counter()
        if not self._entry.ends:
            return marks
        for message in records_until_end(self._settings, self._settings.kafka.topics.events, self._entry.ends):
            marks[xxhash.xxh3_64_intdigest(message.value() or b"")] += 1
        return marks
