"""Who is in which segment: vectors -> an online model -> a label that holds (DESIGN 9).

Labels are not part of the exact state: they are written under the version of the model that gave them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from online_models import SnapshotError
from streams.profiles.interest import VectorTable
from streams.profiles.labels import PartitionLabels
from streams.profiles.models import Model, ModelChange, model_of
from streams.profiles.state import PartitionState
from streams.profiles.vectors import VectorSpace
from streams.settings import SegmentationSettings

__all__ = ["Segmentation"]

log = logging.getLogger(__name__)

Rows = npt.NDArray[np.int32]

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


class _Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    model: bytes = msgspec.field(name="kmeans")
    scaler: bytes
    widths: tuple[int, ...]
    behaviour_weights: list[float]
    events: int
    known: float


class Segmentation:
    """One model for all partitions of a profiler.

    Parameters
    ----------
    settings : SegmentationSettings
        The model, and which parts of the vector it sees.
    table : VectorTable
        Vectors of content, already projected.
    """

    def __init__(self, settings: SegmentationSettings, table: VectorTable) -> None:
        self._settings = settings
        self._space = VectorSpace(table, settings.parts, settings.columns)
        self._model = model_of(settings)
        self._random = np.random.default_rng(settings.seed)
        self._events_at_fit = 0
        self._known_at_fit = 0.0
        self._learned_at_version = 0
        self._fitted = False
        self._minted: list[ModelChange] = []
        self._cause = self._due = ""

    @property
    def name(self) -> str:
        """Key of its rows in the tables about segments."""
        return self._settings.name

    @property
    def model(self) -> Model:
        """The model itself."""
        return self._model

    @property
    def sees_content(self) -> bool:
        """Whether a content vector that arrives can change anybody's label."""
        return bool(self._settings.parts.get("interest") or self._settings.parts.get("latent"))

    @property
    def fitted(self) -> bool:
        """Whether there are segments yet."""
        return self._fitted

    def use(self, table: VectorTable, cause: str) -> None:
        """Take interest from another table from now on; the next fit is due at once, and nothing may come before it.

        Its vectors are of another space: mean, scale and centres of the old one say nothing about them.
        """
        self._space = VectorSpace(table, self._settings.parts, self._settings.columns)
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
        self._model.learn(points)
        self._model.assign(labels.stabiliser, rows, points)

    def relabel(self, state: PartitionState, labels: PartitionLabels, rows: Rows) -> Rows:
        """Look at people again whose content has become known; return those whose label is another now."""
        labels.resize(state.people)
        if not self._fitted or not len(rows):
            return rows[:0]
        raw, labels.known[rows] = self._space.raw(state, rows)
        labels.stabiliser.forget(rows)
        now = self._model.assign(labels.stabiliser, rows, self._space.transform(raw))
        changed: Rows = rows[now != labels.committed[rows]]
        return changed

    def orphans(self, state: PartitionState, labels: PartitionLabels) -> Rows:
        """Return the people whose segment no longer exists: its centre was moved elsewhere under a new id."""
        labels.resize(state.people)
        if self._model.segment_ids is None:
            return np.empty(0, np.int32)
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
            self._model.change_space(points, np.concatenate([held for _, held in samples]), self._random)
            for _, labels in people:
                labels.begin_space()
        self._model.fit(points, cause)
        self._fitted = True
        self._events_at_fit, self._known_at_fit, self._cause, self._due = events, known, cause, ""
        return True

    def take_version(self) -> str | None:
        """Return the cause of a new model version when one is due, and begin it."""
        changes = self._model.drain()
        self._minted += changes
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
            _Snapshot(
                model=self._model.snapshot(),
                scaler=scaler,
                widths=widths,
                behaviour_weights=weights,
                events=self._events_at_fit,
                known=self._known_at_fit,
            )
        )

    def restore(self, snapshot: bytes) -> bool:
        """Go on from a stored version; return False where another model or none was stored: it is fitted anew."""
        stored = msgspec.msgpack.decode(snapshot, type=_Snapshot)
        try:
            restored = self._model.restore(stored.model)
        except SnapshotError as error:
            log.warning("segmentation %s: %s", self.name, error)
            restored = False
        if restored:
            self._space.restore(stored.scaler, stored.widths, stored.behaviour_weights)
            self._events_at_fit, self._known_at_fit = stored.events, stored.known
            self._learned_at_version = self._model.learned
            self._fitted = True
        return restored

    def _cause_for_fit(self, total: int, events: int, known: float, *, drained: bool) -> str:
        if not self._fitted:
            enough = total >= _FIRST_FIT_PEOPLE or (drained and total > self._settings.n_clusters)
            return "first fit" if enough else ""
        if self._due:
            return self._due
        if not self._model.refits:
            return ""
        if known - self._known_at_fit > (_REFIT_KNOWN_DRAINED if drained else _REFIT_KNOWN):
            return "content vectors arrived"
        if events >= self._events_at_fit * _REFIT_GROWTH or (drained and events > self._events_at_fit * 1.2):
            return "history grew"
        return ""

    def _known_share(self, people: Iterable[tuple[PartitionState, PartitionLabels]], total: int) -> float:
        return sum(float(labels.known[: state.people].sum()) for state, labels in people) / total if total else 0.0

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
