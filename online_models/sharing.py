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

import numpy as np
import numpy.typing as npt

from . import _learning
from ._arrays import as_block, refuse_unusable
from ._distances import POWER
from .errors import ShapeError
from .shared_model import SharedModel, Update

__all__ = ["LocalLearner", "merge_centres", "retention"]

SAMPLE = 256  # vectors an update carries for the merger's window: 8 learners fill it in a round

Centres = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


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
    >>> from online_models import Merger
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

    @property
    def inertia(self) -> float:
        """Mean squared distance of its newest vectors to their centres as they were on arrival; 0 before any."""
        known = self._inertias[~np.isnan(self._inertias)]
        return float(known.mean()) if len(known) else 0.0

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
