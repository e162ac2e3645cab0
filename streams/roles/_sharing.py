"""A profiler among others: what it has learned goes to the agent that merges, and versions come back.

The versions stored in ClickHouse are what everybody goes on from: a row may name a version only once it is stored, so
the table is asked instead of a topic that says the same. A profiler that owns every partition is alone: it learns and
mints by itself, and nothing here does anything.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from confluent_kafka import Producer

from online_models import SnapshotError
from streams.contract import ModelUpdate, encode_update
from streams.kafka import produce, producer_config
from streams.profiles import Segmentations
from streams.profiles.segmentations import People
from streams.roles._models import ModelVersions
from streams.settings import Settings

__all__ = ["Sharing"]

log = logging.getLogger(__name__)

#: How often somebody looks for a newer version.
_LOOK_S = 1.0

Rows = npt.NDArray[np.int32]


class Sharing:
    """A profiler's part in learning one model together.

    Parameters
    ----------
    settings : Settings
        Partitions, topic, instance id.
    segmentations : Segmentations
        Whose models.
    models : ModelVersions
        Finds versions, and holds those that commits name.
    """

    def __init__(self, settings: Settings, segmentations: Segmentations, models: ModelVersions) -> None:
        self._settings, self._segmentations, self._models = settings, segmentations, models
        self._active = False
        self._leads = False
        self._adopted = [0 for _ in segmentations.all]
        self._looked_at = float("-inf")
        self._producer: Producer | None = None

    @property
    def active(self) -> bool:
        """Whether there are other profilers."""
        return self._active

    @property
    def waits(self) -> bool:
        """Whether a fit of ours is on its way."""
        return any(segmentation.waits(time.monotonic()) for segmentation in self._segmentations.all)

    def arrange(self, client: Client, owned: Collection[int], space_id: str) -> None:
        """See whether we are alone now that partitions have been given out; models are as they are stored then."""
        shared, leads = len(owned) < self._settings.kafka.partitions, 0 in owned
        if not shared:
            if self._active:
                for segmentation in self._segmentations.all:
                    segmentation.end_sharing()
                log.info("alone: models are learned here")
            self._active = False
            self._models.restore(client, space_id)
            return
        if (self._active, self._leads) != (shared, leads):
            worker = f"{self._settings.profiler.instance_id}/{uuid.uuid4().hex[:12]}"
            for segmentation in self._segmentations.all:
                segmentation.begin_sharing(worker, leader=leads)
            self._adopted = [0 for _ in self._adopted]
            log.info("among other profilers as %s%s", worker, ", which proposes fits" if leads else "")
        self._active, self._leads = shared, leads
        self._looked_at = float("-inf")

    def exchange(self, client: Client, people: People, space_id: str, *, drained: bool) -> list[list[Rows]]:
        """Tell what was learned, propose fits, take newer versions; return who is in another segment for those."""
        changed = self._look(client, people, space_id)
        now_s = time.monotonic()
        updates = [segmentation.take_update(now_s) for segmentation in self._segmentations.all]
        self._say([update for update in updates if update is not None])
        self._say(
            self._segmentations.proposals(
                people, now_s, self._models.newest, space_id, self._models.layout_id, drained=drained
            )
        )
        return changed

    def close(self) -> None:
        """Let what was said go out."""
        if self._producer is not None:
            self._producer.flush(1.0)

    def _say(self, records: Collection[ModelUpdate]) -> None:
        """Send records; one that is lost is told again with the next."""
        if not records:
            return
        if self._producer is None:
            self._producer = Producer(producer_config(self._settings))
        for record in records:
            produce(self._producer, self._settings.kafka.topics.model_updates, encode_update(record))
        self._producer.poll(0)

    def _look(self, client: Client, people: People, space_id: str) -> list[list[Rows]]:
        now_s = time.monotonic()
        if now_s - self._looked_at < _LOOK_S:
            return []
        self._looked_at = now_s
        changed: list[list[Rows]] = []
        for place, segmentation in enumerate(self._segmentations.all):
            try:
                newer = self._models.newer(client, place, self._adopted[place], space_id)
            except (ClickHouseError, OSError) as error:
                log.warning("the newest model can't be read: %s", str(error).splitlines()[0])
                return changed
            if newer is None:
                continue
            self._adopted[place] = newer.model_version
            try:
                changed.append(self._segmentations.adopt(place, newer.model_version, newer.snapshot, people))
            except SnapshotError as error:
                log.warning("version %d of %s: %s", newer.model_version, segmentation.name, error)
                continue
            self._models.newest[place] = newer.model_version
            self._models.look_for_basis(client, place)
        return changed
