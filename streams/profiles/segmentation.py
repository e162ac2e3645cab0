"""Who is in which segment: vectors -> an online model -> a label that holds (DESIGN 9).

Labels are not part of the exact state: they are written under the version of the model that gave them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from online_models import Quality, SnapshotError
from streams.contract.model_updates import Learned, Minted, Proposed
from streams.errors import ConfigurationError
from streams.profiles.interest import VectorTable
from streams.profiles.labels import UNASSIGNED, PartitionLabels
from streams.profiles.models import JointlyLearned, Model, ModelChange, model_of
from streams.profiles.share import Share
from streams.profiles.snapshot import Snapshot
from streams.profiles.state import PartitionState
from streams.profiles.vectors import VectorSpace
from streams.settings import SegmentationSettings

__all__ = ["Segmentation"]

log = logging.getLogger(__name__)

Rows = npt.NDArray[np.int32]
Looked = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
_NO_ROWS: Rows = np.empty(0, np.int32)
People = Sequence[tuple[PartitionState, PartitionLabels]]

#: The first centres are fitted on this many people (adaptive k-means' warm-up), on fewer once the log is read.
_FIRST_FIT_PEOPLE = 1_000
#: While history is young every profile is thin: centres are fitted again each time so many times the events are in.
_REFIT_GROWTH = 4.0
#: People that a fit looks at: as many as for the first centres while events come, more when there is time.
_SAMPLE, _SAMPLE_DRAINED = 1_000, 5_000
#: Interest is a part of the vector that arrives later than the rest; this much more of it known calls for another fit.
_REFIT_KNOWN = 0.5
_REFIT_KNOWN_DRAINED = 0.02
#: A fit because history grew, or because those who come lately lie elsewhere, has to save so much of the inertia of
#: everybody: of optima that are as good as each other the one that people know stays.
_WORTH = 0.02
#: A new version is stored at the latest after so many learned vectors, so a restart forgets little.
_VERSION_VECTORS = 100_000
#: And at the latest after so long while something is learned, so that there is something to see of it.
_VERSION_S = 600.0
_GROWN, _ELSEWHERE = "history grew", "people have moved"


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
        self._random = np.random.default_rng(settings.seed)
        self._forget(table)

    def _forget(self, table: VectorTable) -> None:
        self._table = table
        self._space = VectorSpace(table, self._settings.parts, self._settings.columns)
        self._model = model_of(self._settings)
        self._share: Share | None = None
        self._fit_version = 0
        self._strange = False
        self._events_at_fit = 0
        self._known_at_fit = 0.0
        self._learned_at_fit = self._learned_at_version = 0
        self._fitted = False
        self._minted: list[ModelChange] = []
        self._cause = self._due = ""
        self._quality: Quality | None = None
        self._version_at_s = 0.0

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
        self._table = table
        self._space = VectorSpace(table, self._settings.parts, self._settings.columns)
        self._due = cause if self._fitted else ""
        if self._share is not None:
            self._share.begin_again()
            self._strange = self._fitted  # until a version of the new space comes

    def look(self, state: PartitionState, rows: Rows) -> Looked | None:
        """Return what `observe` takes of people; partitions may be looked at beside each other. None: nothing yet."""
        return self._space.raw(state, rows) if self._fitted and not self._strange and len(rows) else None

    def observe(self, state: PartitionState, labels: PartitionLabels, rows: Rows, looked: Looked | None) -> None:
        """Learn from people whose state has just changed, and label them."""
        labels.resize(state.people)
        if looked is None:
            return
        raw, labels.known[rows] = looked
        if self._share is None:
            self._space.learn(raw)
        else:  # all learners see one space, the version's
            self._share.learn(raw)
        points = self._space.transform(raw)
        self._model.learn(points)
        labels.begin_anew(rows)
        self._model.assign(labels.stabiliser, rows, points)

    def relabel(self, state: PartitionState, labels: PartitionLabels, rows: Rows, soon: Rows = _NO_ROWS) -> Rows:
        """Look at people again whose content has become known; return those whose label is another now.

        Who is observed `soon`, before anybody is told of labels, begins anew then.
        """
        labels.resize(state.people)
        if not self._fitted or self._strange:
            return rows[:0]
        labels.anew[rows] = True
        rows = np.setdiff1d(rows, soon, assume_unique=True)
        if not len(rows):
            return rows
        raw, labels.known[rows] = self._space.raw(state, rows)
        labels.begin_anew(rows)
        now = self._model.assign(labels.stabiliser, rows, self._space.transform(raw))
        changed: Rows = rows[now != labels.committed[rows]]
        return changed

    def fit_if_due(self, people: People, *, drained: bool) -> bool:
        """Fit the centres on a sample of everybody when there is a reason to; return whether it was done."""
        cause = self._cause_for_fit(people, drained=drained) if self._share is None else ""
        if not cause or not self._worth_a_fit(people, cause, drained=drained):
            return False
        another_space = bool(self._due)
        self._fit(people, cause, drained=drained)
        if another_space:
            for _, labels in people:
                labels.begin_space()
        return True

    def _worth_a_fit(self, people: People, cause: str, *, drained: bool) -> bool:
        """Whether a fit would change more than ids; what it is asked for again is more history, or more vectors."""
        if cause not in {_GROWN, _ELSEWHERE}:
            return True
        raw, _ = self._everybody(people, drained=drained)
        points = self._space.transform(self._random.permutation(raw))
        worth = len(points) >= 2 and self._model.saved_by_fit(points) > _WORTH
        if not worth:
            self._note_fit(people)
        return worth

    def _fit(self, people: People, cause: str, *, drained: bool) -> None:
        raw, held = self._everybody(people, drained=drained)
        self._space.fit(raw)
        points = self._space.transform(raw)
        if self._due:
            self._model.change_space(points, held, self._random)
        self._model.fit(points, cause)
        self._quality = self._model.judge(points, held)
        self._fitted = True
        self._note_fit(people)
        self._known_at_fit, self._cause, self._due = _known_share(people), cause, ""

    def _note_fit(self, people: People) -> None:
        self._events_at_fit = sum(state.accepted for state, _ in people)
        self._learned_at_fit = self._model.learned

    def _everybody(self, people: People, *, drained: bool) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Return raw vectors (n, d) of a sample of all people, and the segments they are in (n,)."""
        total = sum(state.people for state, _ in people)
        share = min(1.0, (_SAMPLE_DRAINED if drained else _SAMPLE) / total)
        samples = [self._sample(state, labels, share) for state, labels in people if state.people]
        return np.vstack([vectors for vectors, _ in samples]), np.concatenate([held for _, held in samples])

    # ---- one model among several profilers

    def begin_sharing(self, worker: str, *, leader: bool) -> None:
        """Learn together with others from now on; what there is to go on from comes as a version.

        Raises
        ------
        ConfigurationError
            The model can't be learned together.
        """
        if not self._model.merges:
            msg = (
                f"segmentation {self.name!r}: several profilers can't learn a {self._settings.model} together. Run one "
                'profiler, or give it model = "kmeans"'
            )
            raise ConfigurationError(msg)
        self._forget(self._table)
        self._share = Share(worker, leader=leader)

    def end_sharing(self) -> None:
        """Learn alone from now on; what there is to go on from is restored."""
        self._forget(self._table)

    def reserve_ids(self, below: int) -> None:
        """Give no new segment an id below this: other models of this segmentation have had them."""
        self._model.reserve_ids(below)

    def waits(self, now_s: float) -> bool:
        """Whether a fit that was proposed is on its way."""
        return self._share is not None and self._share.waits(now_s)

    def take_update(self, now_s: float) -> Learned | None:
        """Return what was learned and is in no version yet, when it is time to tell."""
        if self._share is None or not self._fitted or self._strange:
            return None
        model = self._shared
        if not self._share.update_due(model.pending, now_s):
            return None
        pending, update = model.pending, model.update()
        return Learned(self.name, update.encode(), self._share.sending(update.seq, pending, now_s))

    def take_proposal(
        self, people: People, now_s: float, base_version: int, space_id: str, layout: int, *, drained: bool
    ) -> Proposed | None:
        """Return a fit to follow version `base_version` when there is a reason for one and it is ours to propose.

        The model stays as it is until the fit comes back as a version.
        """
        if self._share is None or not self._share.may_propose(now_s):
            return None
        cause = self._cause_for_fit(people, drained=drained)
        if not cause or not self._worth_a_fit(people, cause, drained=drained):
            return None
        twin = Segmentation(self._settings, self._table)
        if self._fitted:
            twin.restore(self.snapshot())
        twin._random, twin._due = self._random, self._due
        twin._fit(people, cause, drained=drained)
        self._share.proposing(now_s)
        minted = [Minted(m.segment, m.cause, m.centre.tolist(), list(m.retired)) for m in twin._model.drain()]
        quality = twin.take_quality()
        said = (quality.vectors, quality.inertia, quality.silhouette, quality.noise, quality.moved)
        return Proposed(
            self.name, base_version, cause, space_id, layout, twin.snapshot(), minted, said, list(quality.overlap)
        )

    def adopt(self, version: int, snapshot: bytes, people: People) -> list[Rows]:
        """Go on from a version that the merger has made; return the people who have to be looked at again.

        A fit leaves nothing of what was learned meanwhile: its space is another one.

        Raises
        ------
        SnapshotError
            It is no version of such a model.
        """
        if self._share is None:
            msg = "adopt without begin_sharing"
            raise RuntimeError(msg)
        stored = Snapshot.decode(snapshot)
        fit_version = stored.fitted or version
        first, anew = not self._fitted, not self._fitted or self._strange or fit_version != self._fit_version
        worker = self._share.worker
        self._shared.adopt(stored, version, worker, anew=anew)
        if anew:
            self._share.begin_again()
        else:
            self._share.included(stored.applied.get(worker, 0))
        if self._strange:
            for _, labels in people:
                labels.begin_space()
        self._space.restore(stored.scaler, stored.widths, stored.behaviour_weights)
        if anew:
            self._events_at_fit, self._known_at_fit, self._fit_version = stored.events, stored.known, fit_version
            self._learned_at_fit = self._model.learned
        self._fitted, self._strange, self._due = True, False, ""
        if not anew:
            return [_NO_ROWS for _ in people]
        if first:  # who has a segment keeps it, as after a restart
            return [_unassigned(state, labels) for state, labels in people]
        return [state.everybody() for state, _ in people]

    @property
    def _shared(self) -> JointlyLearned:
        return cast(JointlyLearned, self._model)

    def take_version(self, now_s: float) -> str | None:
        """Return the cause of a new model version when one is due, and begin it."""
        if self._share is not None:  # the merger mints them
            return None
        changes = self._model.drain()
        self._minted += changes
        learned = self._model.learned - self._learned_at_version
        grown = learned >= _VERSION_VECTORS or (learned > 0 and now_s - self._version_at_s >= _VERSION_S)
        if not (changes or self._cause or grown):
            return None
        cause = self._cause or (changes[-1].cause if changes else "learned")
        self._cause = ""
        self._learned_at_version, self._version_at_s = self._model.learned, now_s
        return cause

    def take_quality(self) -> Quality:
        """Return how good the version is that `take_version` has begun."""
        quality, self._quality = self._quality or self._model.judge(), None
        return quality

    def take_minted(self) -> list[ModelChange]:
        """Return the segment ids minted since the last call."""
        minted, self._minted = self._minted, []
        return minted

    def snapshot(self) -> bytes:
        """Return everything that `restore` needs, without pickle."""
        scaler, widths, weights = self._space.snapshot()
        return Snapshot(
            model=self._model.snapshot(), scaler=scaler, widths=widths, behaviour_weights=weights,
            events=self._events_at_fit, known=self._known_at_fit,
        ).encode()  # fmt: skip

    def restore(self, snapshot: bytes) -> bool:
        """Go on from a stored version; return False where another model or none was stored: it is fitted anew."""
        try:
            stored = Snapshot.decode(snapshot)
            restored = self._model.restore(stored.model)
        except SnapshotError as error:
            log.warning("segmentation %s: %s", self.name, error)
            return False
        if restored:
            self._space.restore(stored.scaler, stored.widths, stored.behaviour_weights)
            self._events_at_fit, self._known_at_fit = stored.events, stored.known
            self._learned_at_fit = self._learned_at_version = self._model.learned
            self._fitted = True
        return restored

    def _cause_for_fit(self, people: People, *, drained: bool) -> str:
        total = sum(state.people for state, _ in people)
        if not self._fitted:
            enough = total >= _FIRST_FIT_PEOPLE or (drained and total > self._settings.n_clusters)
            return "first fit" if enough else ""
        if self._due:
            return self._due if total else ""
        if not self._model.refits:
            return ""
        if _known_share(people) - self._known_at_fit > (_REFIT_KNOWN_DRAINED if drained else _REFIT_KNOWN):
            return "content vectors arrived"
        events = sum(state.accepted for state, _ in people)
        if events >= self._events_at_fit * _REFIT_GROWTH or (drained and events > self._events_at_fit * 1.2):
            return _GROWN
        if self._model.restless and self._model.learned - self._learned_at_fit >= total:
            return _ELSEWHERE  # everybody may have been seen since
        return ""

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


def _known_share(people: People) -> float:
    total = sum(state.people for state, _ in people)
    return sum(float(labels.known[: state.people].sum()) for state, labels in people) / total if total else 0.0


def _unassigned(state: PartitionState, labels: PartitionLabels) -> Rows:
    labels.resize(state.people)
    rows = state.everybody()
    unassigned: Rows = rows[labels.of(rows) == UNASSIGNED]
    return unassigned
