"""One k-means among several processes: each learns locally, a merger makes one model of what they learned.

A round: every learner starts from version V, learns, and ships how many vectors each centre took and where that centre
ended. The merger puts them together as if one learner had seen all the vectors, in any order, and mints version V + 1.
Learners take it when it comes and carry over what they learned meanwhile. Nothing waits: a merger that is late or dead
makes models stale and changes nothing else.

Updates carry (worker, base_version, seq) and count from their base on, so the newest of a worker replaces the one
before; repeats and updates of another base are dropped. Only the merger mints versions and segment ids.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt

from . import _learning, _snapshots
from ._arrays import as_block, refuse_unusable
from ._distances import POWER
from ._search import improve
from .changes import Change
from .errors import OnlineModelError, ShapeError, SnapshotError

__all__ = ["LocalLearner", "Merger", "SharedModel", "Update", "merge_centres", "retention"]

SAMPLE = 256  # vectors an update carries for the merger's window: 8 learners fill it in a round
WINDOW = 2_000  # as in k-means: vectors a look is taken at, and vectors between looks
SWAP_EVERY = 2_000
WORKERS_KEPT = 1_000  # workers a model remembers, the newest; a name is one life of one process, so names pile up
CHANGES_KEPT = 1_000
FORMAT_VERSION = 1

Centres = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Record = TypeVar("Record")
Outcome = Literal["taken", "repeat", "wrong base", "misfit"]


@dataclass(frozen=True, slots=True, eq=False)
class SharedModel:
    """A version of the model.

    Attributes
    ----------
    version
        Whole number, higher is newer.
    centers, counts, ids
        Centres (k, d) float64, vectors each has learned (k,), segment id of each (k,).
    rate
        Part of the way a centre moves at the least, as in KMeans.
    applied
        Highest seq of each worker that is in it.
    next_id
        Lowest segment id that was never given; 0 stands for one above the highest of `ids`.
    """

    version: int
    centers: Centres
    counts: Ints
    ids: Ints
    rate: float
    applied: dict[str, int] = field(default_factory=dict)
    next_id: int = 0

    def __post_init__(self) -> None:
        shapes = self.centers.shape[:1], self.counts.shape, self.ids.shape
        if self.centers.ndim != 2 or len(set(shapes)) != 1 or not np.isfinite(self.centers).all():
            msg = (
                f"a model needs finite centres (k, d), counts (k,) and ids (k,), got {self.centers.shape}, {shapes[1:]}"
            )
            raise ShapeError(msg)

    def encode(self) -> bytes:
        """Pack it, in a versioned format without pickle."""
        return _snapshots.encode("shared-model", FORMAT_VERSION, _values(self))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Unpack it; raises SnapshotError."""
        return _decoded(cls, "shared-model", data)


@dataclass(frozen=True, slots=True, eq=False)
class Update:
    """What one learner has learned since a version.

    Attributes
    ----------
    worker
        Name of one life of one process.
    base_version
        Version it started from.
    seq
        Number among the worker's updates, ascending.
    counts
        Vectors each centre took since the base, (k,).
    centers
        Where the learner's centres are, (k, d).
    sample
        Some of the vectors, (m, d) float32, for the merger to decide swaps on.
    """

    worker: str
    base_version: int
    seq: int
    counts: Ints
    centers: Centres
    sample: npt.NDArray[np.float32]

    def encode(self) -> bytes:
        """Pack it, in a versioned format without pickle."""
        return _snapshots.encode("model-update", FORMAT_VERSION, _values(self))

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Unpack it; raises SnapshotError."""
        return _decoded(cls, "model-update", data)


def retention(vectors: npt.ArrayLike, before: npt.ArrayLike, rate: float) -> npt.NDArray[np.float64]:
    """Part of a centre's old place that is left after so many vectors.

    ``(1 - h)^n`` for an old centre; a young one takes steps of 1 / count, which leave ``before / (before + n)``.

    Parameters
    ----------
    vectors
        n, of any shape.
    before
        Vectors the centre had learned, of the same shape.
    rate
        h.
    """
    n, had = np.asarray(vectors, np.float64), np.asarray(before, np.float64)
    young = np.clip(math.ceil(1 / rate) - 1 - had, 0, n)
    left = np.divide(had, had + young, out=np.ones(np.broadcast_shapes(n.shape, had.shape)), where=young > 0)
    powers: npt.NDArray[np.float64] = left * (1 - rate) ** (n - young)
    return powers


def merge_centres(base: SharedModel, counts: npt.ArrayLike, centers: npt.ArrayLike) -> tuple[Centres, Ints]:
    """Centres as one learner would have them that had seen the vectors of all.

    ``m_w = (c_w - r(n_w) C) / (1 - r(n_w))`` is the mean of what learner w saw, newest most; with N = sum n_w,
    ``C <- r(N) C + (1 - r(N)) sum(n_w m_w) / N``. For old centres ``r(n) = (1 - h)^n`` (DESIGN 9). Adding up
    c_w - C instead counts the forgetting once per learner and overshoots: 8 learners make 8 steps where one makes one.

    Parameters
    ----------
    base
        Where all of them started.
    counts
        n_w of each learner and centre, (w, k).
    centers
        c_w, (w, k, d).

    Returns
    -------
    tuple
        Centres (k, d), and the vectors each has learned in all (k,).
    """
    n, c = np.asarray(counts, np.int64), np.asarray(centers, np.float64)
    total = n.sum(axis=0)
    left = retention(n, np.broadcast_to(base.counts, n.shape), base.rate)[:, :, None]
    means = np.divide(c - left * base.centers, 1 - left, out=np.zeros_like(c), where=(n > 0)[:, :, None])
    mean = (n[:, :, None] * means).sum(axis=0) / np.maximum(total, 1)[:, None]
    kept = np.where(total > 0, retention(total, base.counts, base.rate), 1.0)[:, None]
    return kept * base.centers + (1 - kept) * mean, base.counts + total


class LocalLearner:
    """Learns from a shared model on, ships updates and takes newer models; all of it without waiting.

    Parameters
    ----------
    worker
        Name of this life of this process: after a restart another one.
    model
        Version to start from.
    sample
        Vectors an update carries, the newest.

    Examples
    --------
    >>> import numpy as np
    >>> start = SharedModel(0, np.array([[0.0], [9.0]]), np.array([100, 100]), np.array([0, 1]), rate=0.5)
    >>> learner, merger = LocalLearner("a", start), Merger(start)
    >>> learner.learn_predict_many(np.array([[1.0], [7.0]])).tolist()
    [0, 1]
    >>> merger.receive(learner.update())
    'taken'
    >>> learner.adopt(merger.merge())
    True
    >>> learner.version, learner.centers.tolist()
    (1, [[0.5], [8.0]])
    """

    def __init__(self, worker: str, model: SharedModel, sample: int = SAMPLE) -> None:
        if sample < 1:
            msg = f"an update carries at least 1 vector, got sample={sample}"
            raise ValueError(msg)
        self.worker = worker
        self._base = model
        self._centers = np.array(model.centers, np.float64, order="C")
        self._learned = np.zeros(len(model.counts), np.int64)
        self._sent: list[Update] = []
        self._seq = model.applied.get(worker, 0)
        self._window = np.zeros((sample, model.centers.shape[1]))
        self._inertias = np.full(sample, np.nan)
        self._at = 0

    @property
    def version(self) -> int:
        """Version it works on."""
        return self._base.version

    @property
    def centers(self) -> Centres:
        """Centres (k, d), a copy."""
        return self._centers.copy()

    @property
    def segment_ids(self) -> Ints:
        """Id of each centre, (k,)."""
        return self._base.ids.copy()

    @property
    def pending(self) -> int:
        """Vectors learned that aren't in the model it works on."""
        return int(self._learned.sum())

    def learn_predict_many(self, X: npt.ArrayLike) -> Ints:
        """Learn vectors (n, d) in order and return the labels (n,) they had before their centres moved."""
        block = as_block(X, self._centers.shape[1])
        refuse_unusable(block)
        labels = np.zeros(len(block), np.int64)
        counts = self._base.counts + self._learned
        kernel = _learning.learn_blocked if _learning.blocked_pays(self._centers) else _learning.learn_rows
        if len(block):
            kernel(
                block, self._centers, counts, np.arange(block.shape[1]), POWER,
                np.full(len(counts), self._base.rate), True, self._window, self._inertias,
                self._at % len(self._window), labels,
            )  # fmt: skip
        self._learned = counts - self._base.counts
        self._at += len(block)
        return labels

    def predict_many(self, X: npt.ArrayLike) -> Ints:
        """Labels (n,) of vectors (n, d); changes nothing."""
        block = as_block(X, self._centers.shape[1])
        refuse_unusable(block)
        labels = np.zeros(len(block), np.int64)
        kernel = _learning.predict_blocked if _learning.blocked_pays(self._centers) else _learning.predict_rows
        kernel(block, self._centers, np.arange(self._centers.shape[1]), POWER, labels)
        return labels

    def update(self) -> Update:
        """Everything learned since the base, as the next update to ship."""
        self._seq += 1
        filled = min(self._at, len(self._window))
        made = Update(
            self.worker, self.version, self._seq, self._learned.copy(), self._centers.copy(),
            self._window[:filled].astype(np.float32),
        )  # fmt: skip
        self._sent.append(made)
        return made

    def adopt(self, model: SharedModel) -> bool:
        """Go on from a newer model, with what was learned and isn't in it; an older one is ignored.

        A centre whose segment the merger replaced starts where the model has it: what was learned for the old one is
        dropped.

        Returns
        -------
        bool
            Whether the model was newer.
        """
        if model.version <= self.version:
            return False
        if model.centers.shape[1] != self._centers.shape[1]:
            msg = f"this learner's vectors have {self._centers.shape[1]} columns, the model's {model.centers.shape[1]}"
            raise ShapeError(msg)
        old, centers, learned = self._base, self._centers, self._learned
        applied = model.applied.get(self.worker, 0)
        included = [sent for sent in self._sent if sent.seq <= applied]
        was = included[-1].centers if included else old.centers
        had = included[-1].counts if included else np.zeros_like(learned)
        place = {segment: at for at, segment in enumerate(old.ids.tolist())}
        before = np.array([place.get(segment, -1) for segment in model.ids.tolist()], np.int64)
        more = np.where(before >= 0, (learned - had)[before], 0)
        left = retention(more, (old.counts + had)[before], old.rate)[:, None]
        # where nothing was learned meanwhile there is no mean, and none is needed
        moved = np.divide(centers[before] - left * was[before], 1 - left, out=model.centers.copy(), where=left < 1)
        keep = np.where(more > 0, retention(more, model.counts, model.rate), 1.0)[:, None]
        self._centers = np.ascontiguousarray(keep * model.centers + (1 - keep) * moved)
        self._learned = more
        self._base, self._sent = model, []
        return True


class Merger:
    """Makes the next version of updates to the present one; the only one to mint versions and segment ids.

    Parameters
    ----------
    model
        Version to go on from.
    seed
        Makes swaps repeatable.
    """

    def __init__(self, model: SharedModel, seed: int | None = None) -> None:
        self._model = model
        self._next_id = max(model.next_id, int(model.ids.max(initial=-1)) + 1)
        self._updates: dict[str, Update] = {}
        self._window: deque[npt.NDArray[np.float32]] = deque(maxlen=WINDOW)
        self._since_swap = 0
        self._learned = int(model.counts.sum())
        self._changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self.outcomes: dict[Outcome, int] = {"taken": 0, "repeat": 0, "wrong base": 0, "misfit": 0}

    @property
    def model(self) -> SharedModel:
        """The present version."""
        return self._model

    def drain_changes(self) -> list[Change]:
        """Return the segments that swaps brought, and forget them."""
        drained = list(self._changes)
        self._changes.clear()
        return drained

    def receive(self, update: Update) -> Outcome:
        """Take an update in for the next version, or say why not: it is dropped then, and counted in `outcomes`."""
        outcome = self._judge(update)
        if outcome == "taken":
            self._updates[update.worker] = update
        self.outcomes[outcome] += 1
        return outcome

    def merge(self) -> SharedModel:
        """Mint the next version of the updates taken; without any, the present version is returned."""
        updates = [self._updates[worker] for worker in sorted(self._updates)]
        if not updates:
            return self._model
        counts = np.array([update.counts for update in updates])
        centers, learned = merge_centres(self._model, counts, np.array([update.centers for update in updates]))
        applied = {worker: seq for worker, seq in self._model.applied.items() if worker not in self._updates}
        applied |= {update.worker: update.seq for update in updates}
        applied = dict(list(applied.items())[-WORKERS_KEPT:])
        version = self._model.version + 1
        self._model = replace(self._model, version=version, centers=centers, counts=learned, applied=applied)
        self._updates = {}
        for update in updates:
            self._window.extend(update.sample)
        self._learned += int(counts.sum())
        self._since_swap += int(counts.sum())
        if self._since_swap >= SWAP_EVERY and len(self._window) == WINDOW:
            self._since_swap = 0
            self._look()
        return self._model

    def _judge(self, update: Update) -> Outcome:
        model, held = self._model, self._updates.get(update.worker)
        if update.seq <= max(model.applied.get(update.worker, 0), held.seq if held else 0):
            return "repeat"
        if update.base_version != model.version:
            return "wrong base"
        fits = update.centers.shape == model.centers.shape and update.counts.shape == model.counts.shape
        if not fits or update.sample.ndim != 2 or update.sample.shape[1] != model.centers.shape[1]:
            return "misfit"
        if (update.counts < 0).any() or not (np.isfinite(update.centers).all() and np.isfinite(update.sample).all()):
            return "misfit"
        return "taken"

    def _look(self) -> None:
        """Bring the centres to a good optimum of the window, as KMeans does."""
        model = self._model
        k = len(model.centers)
        better = improve(np.array(self._window, np.float64), model.centers, k, np.full(k, 1 / model.rate))
        ids, counts = model.ids.copy(), model.counts.copy()
        for move in better.moves:
            retired, centre = int(ids[move.place]), better.centers[move.place].copy()
            ids[move.place], counts[move.place] = self._next_id, max(int(better.members[move.place]), 1)
            self._next_id += 1
            self._changes.append(
                Change(int(ids[move.place]), centre, "swap", self._learned, (retired,), move.before, move.after)
            )
        self._model = replace(model, centers=better.centers, counts=counts, ids=ids, next_id=self._next_id)


def _values(record: SharedModel | Update) -> dict[str, Any]:
    return {name: getattr(record, name) for name in type(record).__slots__}


def _decoded(record: type[Record], kind: str, data: bytes) -> Record:
    _, values = _snapshots.decode(kind, range(1, FORMAT_VERSION + 1), data)
    try:
        return record(**values)
    except (AttributeError, TypeError, OnlineModelError) as error:
        msg = f"this {kind} is damaged: {error!r}"
        raise SnapshotError(msg) from error
