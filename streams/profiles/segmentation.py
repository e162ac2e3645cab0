"""Who is in which segment: vectors -> online k-means -> a label that holds (DESIGN 9).

Labels are not part of the exact state: they are written under the version of the model that gave them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from online_models import KMeans, Stabiliser
from streams.profiles.interest import VectorTable
from streams.profiles.state import PartitionState
from streams.profiles.vectors import VectorSpace
from streams.settings import SegmentationSettings

__all__ = ["MERGED", "UNASSIGNED", "ModelChange", "PartitionLabels", "Segmentation"]

Rows = npt.NDArray[np.int32]

#: The label of people whom no model has seen yet.
UNASSIGNED = -2
#: The label of ids that have become part of another person: they are in no segment, and leaving it was no churn.
MERGED = -3

#: The first centres are fitted on this many people (adaptive k-means' warm-up), on fewer once the log is read.
_FIRST_FIT_PEOPLE = 1_000
#: While history is young every profile is thin: centres are fitted again each time so many times the events are in.
_REFIT_GROWTH = 4.0
#: People that a fit looks at: as many as for the first centres while events come, more when there is time.
_SAMPLE, _SAMPLE_DRAINED = 1_000, 5_000
#: Interest is a part of the vector that arrives later than the rest; this much more of it known calls for another fit.
_REFIT_KNOWN = 0.5
_REFIT_KNOWN_DRAINED = 0.02
#: A new version is stored at the latest after so many learned vectors, so a restart forgets little.
_VERSION_VECTORS = 100_000


class PartitionLabels:
    """Labels of one partition's people, by row.

    Attributes
    ----------
    committed, since_us : ndarray of int64
        The label that ClickHouse holds, and since when (event time).
    known : ndarray of float64
        Share of each person's interest whose content has a vector.
    """

    def __init__(self, settings: SegmentationSettings) -> None:
        self.stabiliser = Stabiliser(alpha=settings.ewma, margin=settings.margin)
        self.committed = np.empty(0, np.int64)
        self.since_us = np.empty(0, np.int64)
        self.known = np.empty(0, np.float64)

    def resize(self, people: int) -> None:
        """Make room; newcomers are unassigned."""
        missing = people - len(self.committed)
        if missing > 0:
            room = max(missing, len(self.committed))
            self.committed = np.append(self.committed, np.full(room, UNASSIGNED, np.int64))
            self.since_us = np.append(self.since_us, np.zeros(room, np.int64))
            self.known = np.append(self.known, np.zeros(room))
        self.stabiliser.resize(people)

    def restore(self, segment: npt.NDArray[np.int64], since_us: npt.NDArray[np.int64]) -> None:
        """Start from what ClickHouse holds: rows 0..n-1."""
        self.resize(len(segment))
        self.committed[: len(segment)] = segment
        self.since_us[: len(segment)] = since_us
        self.stabiliser.seed_labels(np.arange(len(segment), dtype=np.int32), segment)

    def begin_space(self) -> None:
        """Keep labels and forget smoothed vectors: those of the next space may have another width."""
        old = self.stabiliser
        self.stabiliser = Stabiliser(alpha=old.alpha, margin=old.margin)
        self.stabiliser.resize(len(old))
        self.stabiliser.seed_labels(np.arange(len(old), dtype=np.int32), old.labels)

    def of(self, rows: Rows) -> npt.NDArray[np.int64]:
        """Return the current labels of `rows`."""
        return self.stabiliser.labels[rows]

    def leave(self, rows: Rows) -> None:
        """Take people out of their segments: they have become part of somebody else."""
        self.stabiliser.forget(rows)
        self.stabiliser.seed_labels(rows, np.full(len(rows), MERGED, np.int64))
        self.committed[rows[self.committed[rows] == UNASSIGNED]] = MERGED  # who was in none leaves none
        self.known[rows] = 0.0

    def sizes(self, people: int) -> dict[int, int]:
        """Return people per segment, the unassigned included."""
        labels, counts = np.unique(self.stabiliser.labels[:people], return_counts=True)
        return {label: n for label, n in zip(labels.tolist(), counts.tolist(), strict=True) if label != MERGED}


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A segment id that came to be, and why."""

    segment: int
    cause: str
    centre: npt.NDArray[np.float64]


class _Snapshot(msgspec.Struct, frozen=True):
    kmeans: bytes
    scaler: bytes
    widths: tuple[int, ...]
    behaviour_weights: list[float]
    events: int
    known: float


class Segmentation:
    """One k-means for all partitions of a profiler.

    Parameters
    ----------
    settings : SegmentationSettings
        Number of clusters, rate, part weights.
    table : VectorTable
        Vectors of content, already projected.
    """

    def __init__(self, settings: SegmentationSettings, table: VectorTable) -> None:
        self._settings = settings
        self._space = VectorSpace(table, settings.parts)
        self._model = self._new_model()
        self._random = np.random.default_rng(settings.seed)
        self._events_at_fit = 0
        self._known_at_fit = 0.0
        self._learned_at_version = 0
        self._fitted = False
        self._minted: list[ModelChange] = []
        self._cause = self._due = ""

    @property
    def model(self) -> KMeans:
        """The k-means itself."""
        return self._model

    @property
    def fitted(self) -> bool:
        """Whether there are segments yet."""
        return self._fitted

    def use(self, table: VectorTable, cause: str) -> None:
        """Take interest from another table from now on; the next fit is due at once, and nothing may come before it.

        Its vectors are of another space: mean, scale and centres of the old one say nothing about them.
        """
        self._space = VectorSpace(table, self._settings.parts)
        self._due = cause if self._fitted else ""

    def observe(self, state: PartitionState, labels: PartitionLabels, rows: Rows) -> None:
        """Learn from people whose state has just changed, and label them."""
        labels.resize(state.people)
        if not self._fitted or not len(rows):
            return
        raw, known = self._space.raw(state, rows)
        labels.known[rows] = known
        self._space.learn(raw)
        points = self._space.transform(raw)
        self._model.learn_many(points)
        labels.stabiliser.assign(rows, points, self._model)

    def relabel(self, state: PartitionState, labels: PartitionLabels, rows: Rows) -> Rows:
        """Look at people again whose content has become known; return those whose label is another now."""
        labels.resize(state.people)
        if not self._fitted or not len(rows):
            return rows[:0]
        raw, labels.known[rows] = self._space.raw(state, rows)
        labels.stabiliser.forget(rows)
        now = labels.stabiliser.assign(rows, self._space.transform(raw), self._model)
        changed: Rows = rows[now != labels.committed[rows]]
        return changed

    def orphans(self, state: PartitionState, labels: PartitionLabels) -> Rows:
        """Return the people whose segment no longer exists: its centre was moved elsewhere under a new id."""
        labels.resize(state.people)
        held = labels.of(np.arange(state.people, dtype=np.int32))
        return np.flatnonzero((held >= 0) & ~np.isin(held, self._model.segment_ids)).astype(np.int32)

    def fit_if_due(self, people: Sequence[tuple[PartitionState, PartitionLabels]], *, drained: bool) -> bool:
        """Fit the centres on a sample of everybody when there is a reason to; return whether it was done."""
        total = sum(state.people for state, _ in people)
        events = sum(state.accepted for state, _ in people)
        known = self._known_share(people, total)
        cause = self._cause_for_fit(total, events, known, drained=drained)
        if not cause:
            return False
        share = min(1.0, (_SAMPLE_DRAINED if drained else _SAMPLE) / total)
        samples = [self._sample(state, labels, share) for state, labels in people if state.people]
        raw = np.vstack([vectors for vectors, _ in samples])
        self._space.fit(raw)
        points = self._space.transform(raw)
        if self._due:
            self._model.translate(self._centres_of(points, np.concatenate([held for _, held in samples])))
            for _, labels in people:
                labels.begin_space()
        self._model.refit(points, cause)
        self._fitted = True
        self._events_at_fit, self._known_at_fit, self._cause, self._due = events, known, cause, ""
        return True

    def take_version(self) -> str | None:
        """Return the cause of a new model version when one is due, and begin it."""
        changes = self._model.drain_changes()
        self._minted += [ModelChange(c.segment_id, c.cause, c.centre) for c in changes]
        grown = self._model.learned - self._learned_at_version >= _VERSION_VECTORS
        if not (changes or self._cause or grown):
            return None
        cause = self._cause or (changes[-1].cause if changes else "learned")
        self._cause = ""
        self._learned_at_version = self._model.learned
        return cause

    def take_minted(self) -> list[ModelChange]:
        """Return the segment ids minted since the last call."""
        minted, self._minted = self._minted, []
        return minted

    def snapshot(self) -> bytes:
        """Return everything that `restore` needs, without pickle."""
        scaler, widths, weights = self._space.snapshot()
        return msgspec.msgpack.encode(
            _Snapshot(self._model.snapshot(), scaler, widths, weights, self._events_at_fit, self._known_at_fit)
        )

    def restore(self, snapshot: bytes) -> None:
        """Go on from a stored version."""
        stored = msgspec.msgpack.decode(snapshot, type=_Snapshot)
        self._model = KMeans.from_snapshot(stored.kmeans)
        self._space.restore(stored.scaler, stored.widths, stored.behaviour_weights)
        self._events_at_fit, self._known_at_fit = stored.events, stored.known
        self._learned_at_version = self._model.learned
        self._fitted = True

    def _new_model(self) -> KMeans:
        s = self._settings
        return KMeans(s.n_clusters, s.rate, mode=s.mode, seed=s.seed)

    def _cause_for_fit(self, total: int, events: int, known: float, *, drained: bool) -> str:
        if not self._fitted:
            enough = total >= _FIRST_FIT_PEOPLE or (drained and total > self._settings.n_clusters)
            return "first fit" if enough else ""
        if self._due:
            return self._due
        if known - self._known_at_fit > (_REFIT_KNOWN_DRAINED if drained else _REFIT_KNOWN):
            return "content vectors arrived"
        if events >= self._events_at_fit * _REFIT_GROWTH or (drained and events > self._events_at_fit * 1.2):
            return "history grew"
        return ""

    def _known_share(self, people: Iterable[tuple[PartitionState, PartitionLabels]], total: int) -> float:
        return sum(float(labels.known[: state.people].sum()) for state, labels in people) / total if total else 0.0

    def _centres_of(
        self, points: npt.NDArray[np.float64], held: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:  # fmt: skip
        """Return where the people of each segment are now: that is where it is in another space."""
        drawn = self._random.integers(len(points), size=len(self._model.segment_ids))
        return np.array(
            [
                points[held == segment].mean(axis=0) if (held == segment).any() else points[someone]
                for segment, someone in zip(self._model.segment_ids.tolist(), drawn.tolist(), strict=True)
            ]
        )

    def _sample(
        self, state: PartitionState, labels: PartitionLabels, share: float
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Return raw vectors of some people, and the segments they are in."""
        rows = state.everybody()
        wanted = max(1, round(share * len(rows)))
        if wanted < len(rows):
            rows = np.sort(self._random.choice(rows, wanted, replace=False))
        labels.resize(state.people)
        raw, labels.known[rows] = self._space.raw(state, rows)
        return raw, labels.of(rows)
