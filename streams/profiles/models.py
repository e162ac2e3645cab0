"""The models a segmentation can have, behind one face: k-means, density, any clusterer of River's."""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from online_models import (
    DBSTREAM,
    KMeans,
    LocalLearner,
    Quality,
    RiverClusterer,
    Stabiliser,
    Update,
    assess,
    nearest_centres,
    overlap_of,
    river_clusterer,
)
from online_models.errors import UnsuitableModelError
from online_models.river_models import river_class
from streams.errors import ConfigurationError
from streams.profiles.snapshot import Snapshot
from streams.settings import SegmentationSettings

__all__ = ["JointlyLearned", "Model", "ModelChange", "model_of", "river_options"]

log = logging.getLogger(__name__)

Points = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]

#: A micro-cluster reaches so far, as a part of the people's root mean squared distance to their mean, if nobody says.
_REACH = 0.5
_NOISE = -1


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A segment id that came to be, and why."""

    segment: int
    cause: str
    centre: npt.NDArray[np.float64]
    retired: tuple[int, ...] = ()


class Model(Protocol):
    """What a segmentation asks of its model."""

    #: Whether a fit begins anew when history has grown; density and River's models only go on.
    refits: bool
    #: Whether several profilers can learn it together.
    merges: bool

    @property
    def segment_ids(self) -> Ids | None:
        """Ids there are now; None when the model doesn't say."""

    @property
    def learned(self) -> int:
        """Vectors learned."""

    @property
    def inertia(self) -> float:
        """Mean squared distance of recent vectors to their centres; 0 where there are none."""

    @property
    def restless(self) -> bool:
        """Whether the newest points ask for segments elsewhere; they are of those who come now, not of everybody."""

    def fit(self, points: Points, cause: str) -> None:
        """Begin, or begin again, with these points."""

    def saved_by_fit(self, points: Points) -> float:
        """Return the part of the inertia that a fit would save."""

    def change_space(self, points: Points, held: Ids, random: np.random.Generator) -> None:
        """Forget where everything was: these points, of people who hold these ids, are of another space."""

    def learn(self, points: Points) -> None:
        """Learn points in order."""

    def assign(self, stabiliser: Stabiliser, rows: Rows, points: Points) -> Ids:
        """Label people whose vectors these are, and return the labels."""

    def drain(self) -> list[ModelChange]:
        """Return the ids minted since the last call."""

    def judge(self, points: Points | None = None, before: Ids | None = None) -> Quality:
        """Say how good it is by points that were in these segments, or by its newest against the call before."""

    def snapshot(self) -> bytes:
        """Return what `restore` needs."""

    def restore(self, snapshot: bytes) -> bool:
        """Go on from a snapshot; False where that can't be."""

    def reserve_ids(self, below: int) -> None:
        """Give no new segment an id below this."""


class JointlyLearned(Model, Protocol):
    """What it asks besides when several profilers learn it together."""

    @property
    def pending(self) -> int:
        """Vectors learned that are in no version yet."""

    def update(self) -> Update:
        """Return them, for the agent that merges."""

    def adopt(self, stored: Snapshot, version: int, worker: str, *, anew: bool) -> None:
        """Go on from a version, with what was learned meanwhile unless `anew`."""


def model_of(settings: SegmentationSettings) -> Model:
    """Return the model that a segmentation names.

    Raises
    ------
    ConfigurationError
        A model of River's that breaks a promise, or options that no model takes; the message says which.
    """
    try:
        if settings.model == "kmeans":
            return _Centres(settings)
        return _Density(settings) if settings.model == "dbstream" else _Rivers(settings)
    except (TypeError, ValueError, UnsuitableModelError) as error:
        msg = f"segmentation {settings.name!r}: {error}"
        raise ConfigurationError(msg) from error


class _Centres:
    """Online k-means."""

    refits = True
    merges = True

    def __init__(self, settings: SegmentationSettings) -> None:
        self.kmeans = KMeans(settings.n_clusters, settings.rate, mode=settings.mode, seed=settings.seed)
        self.kmeans.swaps = False  # who comes at noon differs from who comes at night: docs/adr/0020
        self._learner: LocalLearner | None = None
        self._judged: tuple[Points, Ids] | None = None

    @property
    def segment_ids(self) -> Ids:
        return (self._learner or self.kmeans).segment_ids

    @property
    def learned(self) -> int:
        return self.kmeans.learned + self.pending

    @property
    def inertia(self) -> float:
        return self.kmeans.inertia_window if self._learner is None else self._learner.inertia

    @property
    def restless(self) -> bool:
        return self.kmeans.restless

    def fit(self, points: Points, cause: str) -> None:
        self.kmeans.refit(points, cause)
        self.kmeans.restless = False

    def saved_by_fit(self, points: Points) -> float:
        return self.kmeans.saved_by_refit(points)

    def change_space(self, points: Points, held: Ids, random: np.random.Generator) -> None:
        """Go on with the same segments, each where its people are now."""
        ids = self.kmeans.segment_ids
        drawn = random.integers(len(points), size=len(ids))
        self.kmeans.translate(
            np.array(
                [
                    points[held == segment].mean(axis=0) if (held == segment).any() else points[someone]
                    for segment, someone in zip(ids.tolist(), drawn.tolist(), strict=True)
                ]
            )
        )

    def learn(self, points: Points) -> None:
        if self._learner is None:
            self.kmeans.learn_many(points)
        else:
            self._learner.learn_predict_many(points)

    def assign(self, stabiliser: Stabiliser, rows: Rows, points: Points) -> Ids:
        return stabiliser.assign(rows, points, self._learner or self.kmeans)

    def drain(self) -> list[ModelChange]:
        return [ModelChange(c.segment_id, c.cause, c.centre, c.retired) for c in self.kmeans.drain_changes()]

    def judge(self, points: Points | None = None, before: Ids | None = None) -> Quality:
        centers, ids = self.kmeans.centers, self.kmeans.segment_ids
        if points is None:
            points = self.kmeans.recent
            if self._judged is not None and len(points) and self._judged[0].shape[1] == points.shape[1]:
                was, old_ids = self._judged
                before = old_ids[nearest_centres(points, was)]
        self._judged = centers, ids
        return assess(points, centers, ids, before)

    def snapshot(self) -> bytes:
        return self.kmeans.snapshot()

    def restore(self, snapshot: bytes) -> bool:
        self.kmeans = KMeans.from_snapshot(snapshot)
        self.kmeans.swaps = False
        return True

    def reserve_ids(self, below: int) -> None:
        self.kmeans.reserve_ids(below)

    @property
    def pending(self) -> int:
        return 0 if self._learner is None else self._learner.pending

    def update(self) -> Update:
        if self._learner is None:
            msg = "nothing is shared yet"
            raise RuntimeError(msg)
        return self._learner.update()

    def adopt(self, stored: Snapshot, version: int, worker: str, *, anew: bool) -> None:
        self.kmeans = KMeans.from_snapshot(stored.model)
        self.kmeans.restless = stored.restless
        model = self.kmeans.share(version, stored.applied)
        if anew or self._learner is None:
            self._learner = LocalLearner(worker, model)
        else:
            self._learner.adopt(model)


class _Density:
    """DBSTREAM: as many segments as there are dense regions; -1 is everybody who is unlike the others."""

    refits = False
    merges = False
    restless: bool = False

    def __init__(self, settings: SegmentationSettings) -> None:
        self._options = dict(settings.options)
        self._model = DBSTREAM(**self._options)

    @property
    def segment_ids(self) -> Ids:
        return np.append(self._model.segment_ids, -1)

    @property
    def learned(self) -> int:
        return self._model.learned

    @property
    def inertia(self) -> float:
        return 0.0

    def fit(self, points: Points, cause: str) -> None:
        if "clustering_threshold" not in self._options:
            reach = _REACH * float(np.sqrt(((points - points.mean(axis=0)) ** 2).sum(axis=1).mean()))
            self._model = DBSTREAM(**self._options, clustering_threshold=reach or 1.0)
        self._model.learn_many(points)
        self._model.recluster()

    def saved_by_fit(self, points: Points) -> float:
        return 1.0  # it only goes on

    def change_space(self, points: Points, held: Ids, random: np.random.Generator) -> None:
        self._model.forget()

    def learn(self, points: Points) -> None:
        self._model.learn_many(points)

    def assign(self, stabiliser: Stabiliser, rows: Rows, points: Points) -> Ids:
        return stabiliser.assign_by(rows, points, self._model.predict_many)

    def drain(self) -> list[ModelChange]:
        centres = dict(zip(self._model.segment_ids.tolist(), self._model.centers, strict=True))
        nowhere = np.zeros(0)
        return [
            ModelChange(
                c.segment_id, c.cause, centres.get(c.segment_id, nowhere), (c.other,) if c.cause == "split" else ()
            )
            for c in self._model.drain_changes()
            if c.cause in {"formed", "split"}
        ]

    def judge(self, points: Points | None = None, before: Ids | None = None) -> Quality:
        """Centres say little of density: noise and who moved is what there is to say."""
        return _by_labels(None if points is None else self._model.predict_many(points), before)

    def snapshot(self) -> bytes:
        return self._model.snapshot()

    def restore(self, snapshot: bytes) -> bool:
        self._model = DBSTREAM.from_snapshot(snapshot)
        return True

    def reserve_ids(self, below: int) -> None:
        self._model.reserve_ids(below)


class _Rivers:
    """A clusterer of River's, at River's speed. It has no snapshot but a pickle, so it begins anew after a restart."""

    refits = False
    merges = False
    restless: bool = False

    def __init__(self, settings: SegmentationSettings) -> None:
        self._model: RiverClusterer = river_clusterer(settings.model, **river_options(settings))

    @property
    def segment_ids(self) -> None:
        return None

    @property
    def learned(self) -> int:
        return self._model.learned

    @property
    def inertia(self) -> float:
        return 0.0

    def fit(self, points: Points, cause: str) -> None:
        self._model.learn_many(points)

    def saved_by_fit(self, points: Points) -> float:
        return 1.0  # it only goes on

    def change_space(self, points: Points, held: Ids, random: np.random.Generator) -> None:
        self._model = RiverClusterer(self._model.model.clone())

    def learn(self, points: Points) -> None:
        self._model.learn_many(points)

    def assign(self, stabiliser: Stabiliser, rows: Rows, points: Points) -> Ids:
        return stabiliser.assign_by(rows, points, self._model.predict_many)

    def drain(self) -> list[ModelChange]:
        return []

    def judge(self, points: Points | None = None, before: Ids | None = None) -> Quality:
        return _by_labels(None if points is None else self._model.predict_many(points), before)

    def snapshot(self) -> bytes:
        return b""

    def restore(self, snapshot: bytes) -> bool:
        return False

    def reserve_ids(self, below: int) -> None:
        """Their ids are River's own."""


def river_options(settings: SegmentationSettings) -> dict[str, Any]:
    """Return what a model of River's is made with: the options, and how many clusters and which seed if it takes them.

    Raises
    ------
    UnsuitableModelError
        It is no clusterer of River's.
    """
    takes = inspect.signature(river_class(settings.model)).parameters.values()
    ours = {"n_clusters": settings.n_clusters, "n_macro_clusters": settings.n_clusters, "seed": settings.seed}
    named = {parameter.name for parameter in takes}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes):
        named.add("seed")  # it hands on what it doesn't know to a model that draws
    return {name: value for name, value in ours.items() if name in named} | settings.options


def _by_labels(now: npt.ArrayLike | None, before: Ids | None) -> Quality:
    if now is None or before is None:
        return Quality()
    labels = np.asarray(now, np.int64)
    moved, overlap = overlap_of(before, labels)
    return Quality(
        len(labels), noise=float((labels == _NOISE).mean()) if len(labels) else 0.0, moved=moved, overlap=overlap
    )
