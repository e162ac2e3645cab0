"""Labels that hold: each person's vector is smoothed, and a switch needs a clearly better centre."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from numba import njit

from ._arrays import as_block, read_only, refuse_unusable
from ._distances import POWER, Floats, Ints, Vectors, exact_nearest, reach, score
from .errors import ShapeError
from .kmeans import UNASSIGNED

__all__ = ["Stabiliser"]

ALPHA = 0.3  # part of the way the smoothed vector moves towards the new one (DESIGN 9)
MARGIN = 0.1  # part by which another centre has to be nearer, in squared distance


class Segmentation(Protocol):
    """What a model has to say: centres (k, d) and the id of each (k,)."""

    @property
    def centers(self) -> npt.NDArray[np.float64]:
        """Centres (k, d)."""

    @property
    def segment_ids(self) -> npt.NDArray[np.int64]:
        """Ids (k,)."""


class _NoCentres:
    """A model that has nothing to say yet."""

    centers = np.zeros((0, 0))
    segment_ids = np.zeros(0, np.int64)


class Stabiliser:
    """Smoothed vector and segment id of every person, by row number.

    A person is assigned by an exponentially weighted mean of their vectors. The segment changes only when another
    centre is nearer by `margin` of the SQUARED distance to the present one: the unit of inertia, so a switch is made
    when it lowers the person's own share of the inertia by that part. An id the model no longer has is decided anew
    without margin. On the reference set `overlap` (2 seeds, the model learning the smoothed vectors): 2.0 and 2.6
    switches per 100 events for +.5 and +.7 % inertia, 46 and 52 without; a margin on the plain distance gave .6 and .8
    for +1.1 and +1.5 %.

    Parameters
    ----------
    alpha
        Weight of the newest vector, in (0, 1].
    margin
        In [0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> from online_models import KMeans
    >>> model = KMeans(2, init=np.array([[0.0], [10.0]]))
    >>> people = Stabiliser()
    >>> people.assign(np.array([0, 0, 0]), np.array([[1.0], [10.0], [10.0]]), model).tolist()
    [0, 0, 1]
    """

    def __init__(self, alpha: float = ALPHA, margin: float = MARGIN) -> None:
        if not 0 < alpha <= 1 or not 0 <= margin < 1:
            msg = f"alpha must be in (0, 1] and margin in [0, 1), got {alpha} and {margin}"
            raise ValueError(msg)
        self.alpha = alpha
        self.margin = margin
        self._labels = np.zeros(0, np.int64)
        self._seen = np.zeros(0, np.bool_)
        self._smooth = np.zeros((0, 0), np.float32)

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Segment id by row, -2 while none is decided; a read-only view, valid until the next call."""
        return read_only(self._labels)

    def vectors(self, rows: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Smoothed vectors (n, d) of rows; NaN for rows that have none."""
        at = self._known(rows)
        return np.where(self._seen[at, None], self._smooth[at], np.float32(np.nan))

    def totals(self, rows: npt.ArrayLike, starts: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], Ints]:
        """Sum up the smoothed vectors of groups of rows.

        Parameters
        ----------
        rows
            Row numbers (n,), group by group; a row may come more than once.
        starts
            Where each group begins, ascending (groups,).

        Returns
        -------
        ndarray of float64, shape (groups, d)
            The sums.
        ndarray of int64, shape (groups,)
            Of how many: rows that have no vector aren't counted.
        """
        at = self._known(rows)
        bounds = np.append(np.asarray(starts, np.int64), len(at))
        totals = np.zeros((len(bounds) - 1, self._smooth.shape[1]))
        counted = np.zeros(len(totals), np.int64)
        _sum_rows(at, bounds, self._smooth, self._seen, totals, counted)
        return totals, counted

    def assign(self, rows: npt.ArrayLike, vectors: npt.ArrayLike, model: Segmentation) -> npt.NDArray[np.int64]:
        """Take in one vector a row, in order, and return the segment ids (n,) after each.

        Parameters
        ----------
        rows
            Row numbers (n,); a row may come more than once; unknown rows are added.
        vectors
            (n, d), kept as float32.
        model
            Where the centres stand; not changed. While it has none, ids stay as they are.

        Raises
        ------
        NotFiniteError, ShapeError
            Nothing was taken in.
        """
        at = self._row_numbers(rows)
        with np.errstate(over="ignore"):  # what overflows float32 becomes infinite and is refused next
            single = np.asarray(vectors).astype(np.float32)
        block = as_block(single, self._smooth.shape[1] or None)
        if len(block) != len(at):
            msg = f"{len(at)} rows but {len(block)} vectors"
            raise ShapeError(msg)
        refuse_unusable(block)
        centers = model.centers
        if len(centers) and len(block) and centers.shape[1] != block.shape[1]:
            msg = f"vectors have {block.shape[1]} columns, the model's centres {centers.shape[1]}"
            raise ShapeError(msg)
        out = np.full(len(at), UNASSIGNED, np.int64)
        if not len(at):
            return out
        if not self._smooth.shape[1]:
            self._smooth = np.zeros((len(self._labels), block.shape[1]), np.float32)
        self.resize(int(at.max()) + 1)
        _stabilise_rows(
            read_only(at), block, self._smooth, self._seen, self._labels, centers, model.segment_ids,
            np.arange(block.shape[1]), POWER, self.alpha, 1.0 - self.margin, out,
        )  # fmt: skip
        return out

    def assign_by(
        self, rows: npt.ArrayLike, vectors: npt.ArrayLike, predict: Callable[[npt.NDArray[np.float64]], npt.ArrayLike]
    ) -> npt.NDArray[np.int64]:
        """Take in one vector a row and return what `predict` says of the smoothed ones, (n,).

        For models that can't be asked how much nearer another segment is: smoothing is all that holds a label.

        Parameters
        ----------
        rows
            Row numbers (n,), each once.
        vectors
            (n, d).
        predict
            Smoothed vectors (n, d) to segment ids (n,).

        Raises
        ------
        NotFiniteError, ShapeError
            Nothing was taken in.
        """
        at = self._row_numbers(rows)
        if len(np.unique(at)) != len(at):
            msg = "a row comes more than once"
            raise ShapeError(msg)
        self.assign(at, vectors, _NoCentres())
        if len(at):
            self._labels[at] = predict(self._smooth[at].astype(np.float64))
        return self._labels[at]

    def seed_labels(self, rows: npt.ArrayLike, labels: npt.ArrayLike, vectors: npt.ArrayLike | None = None) -> None:
        """Set segment ids, and smoothed vectors where they were kept, after a restore.

        Without `vectors` the next vector of a row starts its smoothed vector; the margin holds from the first.
        """
        at = self._row_numbers(rows)
        ids = np.asarray(labels, np.int64)
        block = None if vectors is None else as_block(np.asarray(vectors, np.float32), self._smooth.shape[1] or None)
        if ids.shape != at.shape or (block is not None and len(block) != len(at)):
            msg = f"{len(at)} rows, labels of shape {ids.shape}, {'no' if block is None else len(block)} vectors"
            raise ShapeError(msg)
        if not len(at):
            return
        if block is not None:
            refuse_unusable(block)
            if not self._smooth.shape[1]:
                self._smooth = np.zeros((len(self._labels), block.shape[1]), np.float32)
        self.resize(int(at.max()) + 1)
        self._labels[at] = ids
        if block is not None:
            self._smooth[at] = block
            self._seen[at] = True

    def forget(self, rows: npt.ArrayLike) -> None:
        """Forget vector and segment of rows, so that the row numbers can be given to others."""
        at = self._known(rows)
        self._labels[at] = UNASSIGNED
        self._seen[at] = False
        self._smooth[at] = 0

    def resize(self, rows: int) -> None:
        """Make room for at least so many rows; grows by half so that adding people one by one stays cheap."""
        have = len(self._labels)
        if rows <= have:
            return
        more = max(rows, have + have // 2) - have
        self._labels = np.append(self._labels, np.full(more, UNASSIGNED, np.int64))
        self._seen = np.append(self._seen, np.zeros(more, np.bool_))
        self._smooth = np.vstack([self._smooth, np.zeros((more, self._smooth.shape[1]), np.float32)])

    def _row_numbers(self, rows: npt.ArrayLike) -> npt.NDArray[np.int64]:
        at: npt.NDArray[Any] = np.asarray(rows)
        if at.ndim != 1 or (len(at) and (at.dtype.kind not in "iu" or at.min() < 0)):
            msg = f"rows must be whole numbers >= 0 of shape (n,), got dtype {at.dtype} and shape {at.shape}"
            raise ShapeError(msg)
        return at.astype(np.int64)

    def _known(self, rows: npt.ArrayLike) -> npt.NDArray[np.int64]:
        at = self._row_numbers(rows)
        if len(at) and at.max() >= len(self._labels):
            msg = f"row {at.max()} is unknown, there are {len(self._labels)}"
            raise ShapeError(msg)
        return at


@njit(cache=True, nogil=True)
def _sum_rows(
    rows: Ints, bounds: Ints, smooth: npt.NDArray[np.float32], seen: npt.NDArray[np.bool_], totals: Floats,
    counted: Ints,
) -> None:  # fmt: skip
    for group in range(len(counted)):
        for i in range(bounds[group], bounds[group + 1]):
            if seen[rows[i]]:
                counted[group] += 1
                for j in range(smooth.shape[1]):
                    totals[group, j] += smooth[rows[i], j]


@njit(cache=True)
def _stabilise_rows(
    rows: Ints,
    X: Vectors,
    smooth: npt.NDArray[np.float32],
    seen: npt.NDArray[np.bool_],
    labels: Ints,
    C: Floats,
    ids: Ints,
    order: Ints,
    power: float,
    weight: float,
    keep: float,
    out: Ints,
) -> None:
    """Move each person's smoothed vector, then decide its segment id; events in order.

    `keep` is the factor on the squared distance to the present centre that another centre has to reach.
    """
    n, d = X.shape
    k = C.shape[0]
    x = np.empty(d)
    scores = np.empty(k)
    for i in range(n):
        r = rows[i]
        if seen[r]:
            for j in range(d):
                smooth[r, j] += weight * (X[i, j] - smooth[r, j])
        else:
            for j in range(d):
                smooth[r, j] = X[i, j]
            seen[r] = True
        if k:
            for j in range(d):
                x[j] = smooth[r, j]
            least, second, best = score(x, C, scores)
            limit = reach(least, d)
            if second <= limit:
                best = exact_nearest(x, C, order, power, scores, limit)
            present = -1
            for c in range(k):
                if ids[c] == labels[r]:
                    present = c
            if present < 0 or (best != present and scores[best] <= keep * scores[present]):
                labels[r] = ids[best]
        out[i] = labels[r]
