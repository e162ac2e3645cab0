"""Shift detection: when profilers say that people were active, intervals that are over are judged, one by one.

What counts is the table `segment_stats`, written in the profilers' own commits; the topic says when to look. What an
interval brought is safe (table, then topic) before the interval counts as judged: after a crash it is judged again, and
what is told again carries the same fingerprint and begin.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import msgspec
from clickhouse_connect.driver.client import Client

from streams.control.book import Book
from streams.control.lookout import Lookout
from streams.control.moved import what_moved
from streams.control.plane import Plane
from streams.control.watcher import EVERYTHING, Finding
from streams.outbox import Outbox
from streams.settings import Settings
from streams.storage.alerts import StoredAlert, firing_alerts, save_alerts
from streams.storage.client import connect
from streams.storage.shifts import (
    Progress,
    basis_versions,
    judged_until,
    progress,
    read_intervals,
    save_judged,
    sizes_at,
)

__all__ = ["Detection", "attach", "names_of"]

#: Looked at this often though no record came: the last one may have been lost, and silence sends none.
_EVERY_S = 2.0
_FLUSH_S = 10.0


def names_of(settings: Settings, segmentation: str) -> list[str]:
    """Return the names a segmentation's rows may have; the oldest of the first one's have none, ''."""
    return [segmentation, ""] if segmentation == settings.segmentation.name else [segmentation]


class Detection:
    """All segmentations, watched in the process that runs the control role.

    Parameters
    ----------
    settings : Settings
        Segmentations, knobs, addresses.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lookouts: dict[str, Lookout] = {}
        self._silent: dict[str, Book] = {}
        self._moved: dict[tuple[str, int], Mapping[str, tuple[float, float]]] = {}
        self._outbox: Outbox | None = None

    def look(self) -> int:
        """Judge what is over by now; return how many alerts were told of."""
        told = 0
        with connect(self._settings) as client:
            for segmentation in self._settings.segmentations:
                try:
                    told += self._look_at(client, segmentation.name)
                except BaseException:
                    self._lookouts.pop(segmentation.name, None)  # it knows more than is safe: begin where that ends
                    self._silent.pop(segmentation.name, None)
                    raise
        return told

    def close(self) -> None:
        """Let go of the broker."""
        if self._outbox is not None:
            self._outbox.close()

    def _look_at(self, client: Client, name: str) -> int:
        knobs = self._settings.shifts
        lookout = self._lookouts.get(name)
        if lookout is None:
            lookout = self._lookouts.setdefault(name, self._begin(client, name))
        reached = progress(client, name, knobs.interval_s, lookout.first_needed)
        if reached is None:
            return 0
        last = (reached.low_us // 1_000_000 - knobs.lateness_s) // knobs.interval_s - 1
        told = self._silence(client, name, reached)
        if lookout.judged is not None and last <= lookout.judged:
            return told
        lookout.take(
            read_intervals(client, name, knobs.interval_s, lookout.first_needed),
            basis_versions(client, names_of(self._settings, name)),
        )
        for number, alerts in lookout.judge_until(last, reached.model_version):
            told += self._tell(client, alerts)
            if alerts:
                save_judged(client, name, knobs.interval_s, number)
        if lookout.judged is not None:
            save_judged(client, name, knobs.interval_s, lookout.judged)
        return told

    def _begin(self, client: Client, name: str) -> Lookout:
        """Go on where the last process was: by the same history, with the alerts that it told of."""
        knobs = self._settings.shifts
        names = names_of(self._settings, name)

        def sizes(version: int) -> dict[int, int]:
            with connect(self._settings) as another:
                return sizes_at(another, names, version)

        lookout = Lookout(name, knobs, sizes)
        judged = judged_until(client, name, knobs.interval_s)
        if judged is not None:
            first = Lookout.first_of_history(judged, knobs.interval_s)
            rows = [row for row in read_intervals(client, name, knobs.interval_s, first) if row.number <= judged]
            lookout.take(rows, basis_versions(client, names))
            lookout.judge_until(judged)
            stored = [a for a in firing_alerts(client, name) if a.labels.get("by") != "wall"]
            lookout.book.adopt(stored)
            self._moved |= {(alert.fingerprint, alert.starts_at_us): alert.moved for alert in stored}
        return lookout

    def _silence(self, client: Client, name: str, reached: Progress) -> int:
        """Tell of silence by the wall: no commit has said anything for too long."""
        knobs = self._settings.shifts
        if not knobs.silence_s:
            return 0
        if name not in self._silent:
            self._silent[name] = Book(name, knobs.interval_s)
            self._silent[name].adopt([a for a in firing_alerts(client, name) if a.labels.get("by") == "wall"])
        book = self._silent[name]
        quiet_s = time.time() - reached.committed_ms / 1000
        firing = book.firing
        if quiet_s < knobs.silence_s:
            over = [
                replace(alert, status="resolved", ends_at_us=max(reached.newest_us, alert.starts_at_us))
                for alert in firing
            ]
            book.adopt([])
            return self._tell(client, over)
        if firing:
            return 0
        number = reached.newest_us // (knobs.interval_s * 1_000_000)
        found = Finding(
            kind="SegmentSilence", segment=EVERYTHING, fires=True, first=number, p_value=0.0, size=1.0, by="wall"
        )
        return self._tell(client, book.close(number, [found], 0))

    def _tell(self, client: Client, alerts: Sequence[StoredAlert]) -> int:
        if not alerts:
            return 0
        knobs = self._settings.shifts
        whole = []
        for alert in alerts:
            key = alert.fingerprint, alert.starts_at_us
            moved = self._moved.get(key, alert.moved)  # what is over says what it was about
            if alert.status == "firing":
                moved = self._moved[key] = what_moved(client, alert, knobs.interval_s) or moved
            else:
                self._moved.pop(key, None)
            whole.append(replace(alert, moved=moved))
        save_alerts(client, whole)
        self._outbox = self._outbox or Outbox(self._settings)
        for alert in whole:
            value = msgspec.json.encode(
                {"id": f"{alert.fingerprint}:{alert.starts_at_us}:{alert.version}", **asdict(alert)}
            )
            self._outbox.send(self._settings.kafka.topics.segment_alerts, value, alert.fingerprint.encode())
        self._outbox.flush(_FLUSH_S)
        return len(whole)


def attach(plane: Plane) -> None:
    """Look whenever profilers have said something, and now and then."""
    detection = Detection(plane.settings)
    state = {"due": True, "looking": False}

    async def look() -> None:
        if state["looking"]:
            return
        state["looking"] = True
        try:
            plane.count("alerts_told", await plane.blocking(detection.look))
        finally:
            state["looking"] = False

    async def stats(records: Any) -> None:
        async for record in records:
            if record:  # empty ones pad a log that lost its end
                plane.count("segment_stats")

    plane.agent(plane.settings.kafka.topics.segment_stats, stats)
    plane.every(_EVERY_S, look)
