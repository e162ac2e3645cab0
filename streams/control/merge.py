"""What several profilers learn, made one model: the only place that mints versions and segment ids then.

Everything it goes on from is in the newest version stored. An update that was taken and not merged when it dies is
told again by its learner; a record that comes twice has another base by then, and is dropped.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from clickhouse_connect.driver.client import Client

from streams.contract import Learned, ModelUpdateError, decode_update
from streams.control.plane import Plane
from streams.profiles import JointModel, JointVersion
from streams.settings import Settings
from streams.storage.client import connect
from streams.storage.models import (
    MintedSegment,
    StoredModel,
    highest_segment,
    latest_model_version,
    newest_model,
    save_model,
    stored_names,
)

__all__ = ["Merges", "attach"]

log = logging.getLogger(__name__)

_LOOK_S = 0.5
#: Versions are rows: at most one in so many seconds.
_LEAST_S = 2.0


def attach(plane: Plane) -> None:
    """Read `userprism.model-updates`, and store a version whenever enough has come together."""
    merges = Merges(plane.settings)

    async def merge(records: Any) -> None:
        async for value in records:
            if value:
                plane.count("model_updates")
                plane.count("model_versions", await plane.blocking(merges.take, value))

    async def mint() -> None:
        plane.count("model_versions", await plane.blocking(merges.mint))
        plane.numbers.update(merges.outcomes())

    plane.agent(plane.settings.kafka.topics.model_updates, merge)
    plane.every(_LOOK_S, mint)


class Merges:
    """The joint model of each segmentation, and its place in ClickHouse.

    Parameters
    ----------
    settings : Settings
        Segmentations, ClickHouse, and when to merge.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._names = {one.name: stored_names(place, one.name) for place, one in enumerate(settings.segmentations)}
        self._models: dict[str, JointModel] = {}
        self._waiting_since: dict[str, float] = {}
        self._minted_at: dict[str, float] = {}
        self._one_at_a_time = threading.Lock()
        self._client: Client | None = None

    def outcomes(self) -> dict[str, int]:
        """Return what became of the records since the models were read, over all segmentations."""
        with self._one_at_a_time:
            total: dict[str, int] = {}
            for model in self._models.values():
                for outcome, count in model.outcomes.items():
                    name = f"updates_{outcome.replace(' ', '_')}"
                    total[name] = total.get(name, 0) + count
            return total

    def take(self, value: bytes) -> int:
        """Take in a record; return how many versions it made (a fit makes one)."""
        try:
            record = decode_update(value)
        except ModelUpdateError as error:
            log.warning("a record of the model updates is passed over: %s", error)
            return 0
        if record.segmentation not in self._names:
            log.warning("a model update of %r, which isn't declared here, is passed over", record.segmentation)
            return 0
        with self._one_at_a_time, self._connected() as client:
            model = self._current(client, record.segmentation)
            if isinstance(record, Learned):
                model.learned(record)
                if model.pending:
                    self._waiting_since.setdefault(record.segmentation, time.monotonic())
                return 0
            return self._store(client, record.segmentation, model.fitted(record))

    def mint(self) -> int:
        """Merge what is due and store it; return how many versions that made."""
        now_s = time.monotonic()
        with self._one_at_a_time:
            due = [name for name in self._waiting_since if self._due(name, now_s)]
            if not due:
                return 0
            with self._connected() as client:
                made = 0
                for name in due:
                    model = self._current(client, name)
                    made += self._store(client, name, model.merge())
                return made

    @contextmanager
    def _connected(self) -> Iterator[Client]:
        """Give the client; after an error the next one is a new one."""
        self._client = self._client or connect(self._settings)
        try:
            yield self._client
        except BaseException:
            self._client = None
            raise

    def _due(self, name: str, now_s: float) -> bool:
        if now_s - self._minted_at.get(name, float("-inf")) < _LEAST_S:
            return False
        control = self._settings.control
        waited_s = now_s - self._waiting_since[name]
        return self._models[name].pending >= control.merge_vectors or waited_s >= control.merge_s

    def _current(self, client: Client, name: str) -> JointModel:
        """Return the model, read anew when somebody else has stored a version: a profiler that was alone."""
        names = self._names[name]
        known = self._models.get(name)
        latest = latest_model_version(client, names)
        if known is not None and known.version == latest:
            return known
        stored = newest_model(client, names)
        self._models[name] = JointModel(_joint(stored), highest_segment(client, names) + 1)
        self._waiting_since.pop(name, None)
        return self._models[name]

    def _store(self, client: Client, name: str, version: JointVersion | None) -> int:
        """Store a version; what it can't store it hasn't minted: the newest one is read again."""
        if version is None:
            return 0
        stored = StoredModel(
            name, version.version, version.cause, version.segments, version.learned, version.quality, version.space_id,
            version.layout, version.snapshot,
        )  # fmt: skip
        try:
            save_model(client, stored, [MintedSegment(m.segment, m.cause, np.array(m.centre)) for m in version.minted])
        except BaseException:
            self._models.pop(name, None)
            raise
        finally:
            self._waiting_since.pop(name, None)
        self._minted_at[name] = time.monotonic()
        log.info("version %d of %s: %s", version.version, name, version.cause)
        return 1


def _joint(stored: StoredModel | None) -> JointVersion | None:
    if stored is None:
        return None
    return JointVersion(
        stored.model_version, stored.cause, stored.segments, stored.learned, stored.quality, stored.space_id,
        stored.layout, stored.snapshot, (),
    )  # fmt: skip
