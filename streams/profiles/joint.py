"""One model of several profilers: updates and fits in, versions out. Only this mints versions and segment ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np

from online_models import (
    KMeans,
    Merger,
    OnlineModelError,
    Quality,
    StandardScaler,
    Update,
    assess,
    nearest_centres,
)
from streams.contract.model_updates import Learned, Minted, Proposed
from streams.profiles.snapshot import Snapshot

__all__ = ["JointModel", "JointVersion"]


@dataclass(frozen=True, slots=True)
class JointVersion:
    """A version to be stored: the fields of `model_versions`, and the segments that it is the first to have."""

    version: int
    cause: str
    segments: Sequence[int]
    learned: int
    quality: Quality
    space_id: str
    layout: int
    snapshot: bytes
    minted: Sequence[Minted]


class JointModel:
    """What the agent that merges keeps of one segmentation; all of it is in the newest version stored.

    Parameters
    ----------
    stored : JointVersion or None
        The newest version, None for none.
    next_id : int
        Lowest segment id that no model of this segmentation has ever had.

    Attributes
    ----------
    outcomes : Counter
        What became of the records: "taken", "repeat", "wrong base", "misfit", "fitted", "late fit".
    """

    def __init__(self, stored: JointVersion | None, next_id: int) -> None:
        self.outcomes: Counter[str] = Counter()
        self._next_id = next_id
        self.version = stored.version if stored is not None else 0
        self._fitted = 0
        self._merger: Merger | None = None
        self._moments: dict[str, StandardScaler] = {}
        if stored is not None:
            self._fitted = stored.version  # of a version that can't be read nobody can make an update or a fit
            self._stands_at(stored)

    @property
    def pending(self) -> int:
        """Vectors that wait for `merge`."""
        return self._merger.pending if self._merger is not None else 0

    def learned(self, record: Learned) -> None:
        """Take in what a learner has learned; repeats, other bases and what doesn't fit are counted and dropped."""
        try:
            update, moments = Update.decode(record.update), StandardScaler.from_snapshot(record.moments)
        except OnlineModelError:
            self.outcomes["misfit"] += 1
            return
        if self._merger is None:
            self.outcomes["wrong base"] += 1
            return
        if len(moments.counts) not in {0, len(self._scaler.counts)}:
            self.outcomes["misfit"] += 1
            return
        outcome = self._merger.receive(update)
        self.outcomes[outcome] += 1
        if outcome == "taken":
            self._moments[update.worker] = moments

    def merge(self) -> JointVersion | None:
        """Return the next version, of the updates taken; None without any."""
        if self._merger is None or not self._moments:
            return None
        before = self._merger.model
        model = self._merger.merge()
        for worker in sorted(self._moments):
            self._scaler.merge(self._moments[worker])
        self._moments = {}
        changes = self._merger.drain_changes()
        recent = self._merger.recent
        was = before.ids[nearest_centres(recent, before.centers)] if len(recent) else None
        quality = assess(recent, model.centers, model.ids, was)
        self._kmeans.take(model)
        snapshot = msgspec.structs.replace(
            self._snapshot,
            model=self._kmeans.snapshot(window=False),
            scaler=self._scaler.snapshot(),
            applied=dict(model.applied),
            fitted=self._fitted,
            restless=self._merger.restless,
        )
        minted = [Minted(c.segment_id, c.cause, c.centre.tolist(), list(c.retired)) for c in changes]
        return self._next(changes[-1].cause if changes else "merged", snapshot, minted, quality, self._of)

    def fitted(self, record: Proposed) -> JointVersion | None:
        """Return a fit as the next version, its new segments under ids of ours; None for one that comes too late."""
        if record.base_version < self._fitted:
            self.outcomes["late fit"] += 1
            return None
        try:
            snapshot = Snapshot.decode(record.snapshot)
            kmeans = KMeans.from_snapshot(snapshot.model)
        except OnlineModelError:
            self.outcomes["misfit"] += 1
            return None
        self.outcomes["fitted"] += 1
        ids = {m.segment: self._next_id + place for place, m in enumerate(record.minted)}
        self._next_id += len(ids)
        shared = kmeans.share(self.version + 1)
        renamed = np.array([ids.get(segment, segment) for segment in shared.ids.tolist()], np.int64)
        kmeans.take(replace(shared, ids=renamed, next_id=self._next_id))
        snapshot = msgspec.structs.replace(
            snapshot, model=kmeans.snapshot(window=False), applied={}, fitted=self.version + 1, restless=False
        )
        minted = [Minted(ids[m.segment], m.cause, m.centre, m.retired) for m in record.minted]
        overlap = tuple((was, ids.get(now, now), vectors) for was, now, vectors in record.overlap)
        quality = Quality(*record.quality, overlap)
        made = self._next(record.cause, snapshot, minted, quality, (record.space_id, record.layout))
        self._stands_at(made)
        return made

    def _next(
        self, cause: str, snapshot: Snapshot, minted: Sequence[Minted], quality: Quality, of: tuple[str, int]
    ) -> JointVersion:
        kmeans = KMeans.from_snapshot(snapshot.model)
        self.version += 1
        return JointVersion(
            self.version, cause, kmeans.segment_ids.tolist(), kmeans.learned, quality, *of,
            snapshot.encode(), minted,
        )  # fmt: skip

    def _stands_at(self, stored: JointVersion) -> None:
        """Go on from a version; one that is no k-means is counted and not gone on from."""
        self._of = stored.space_id, stored.layout
        self._moments, self._merger = {}, None
        try:
            self._snapshot = Snapshot.decode(stored.snapshot)
            self._kmeans = KMeans.from_snapshot(self._snapshot.model)
            self._scaler = StandardScaler.from_snapshot(self._snapshot.scaler)
            self._fitted = self._snapshot.fitted or stored.version
            self._next_id = max(self._next_id, self._kmeans.share(0).next_id)
            self._kmeans.reserve_ids(self._next_id)
            self._merger = Merger(self._kmeans.share(stored.version, self._snapshot.applied))
            self._merger.swaps = False  # as with one profiler: docs/adr/0020
        except OnlineModelError:
            self.outcomes["misfit"] += 1
