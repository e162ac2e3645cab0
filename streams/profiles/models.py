"""The models a segmentation can have, behind one face: k-means, density, any clusterer of River's."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from online_models import DBSTREAM, KMeans, RiverClusterer, Stabiliser, river_clusterer
from online_models.errors import UnsuitableModelError
from streams.errors import ConfigurationError
from streams.settings import SegmentationSettings

__all__ = ["Model", "ModelChange", "model_of"]

log = logging.getLogger(__name__)

Points = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]
Rows = npt.NDArray[np.int32]

#: A micro-cluster reaches so far, as a part of the people's root mean squared distance to their mean, if nobody says.
_REACH = 0.5


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A segment id that came to be, and why."""

    segment: int
    cause: str
    centre: npt.NDArray[np.float64]


class Model(Protocol):
    """What a segmentation asks of its model."""

    #: Whether a fit begins anew when history has grown; density and River's models only go on.
    refits: bool

    @property
    def segment_ids(self) -> Ids | None:
        """Ids there are now; None when the model doesn't say."""

    @property
    def learned(self) -> int:
        """Vectors learned."""

    @property
    def inertia(self) -> float:
        """Mean squared distance of recent vectors to their centres; 0 where there are none."""

    def fit(self, points: Points, cause: str) -> None:
        """Begin, or begin again, with these points."""

    def change_space(self, points: Points, held: Ids, random: np.random.Generator) -> None:
        """Forget where everything was: these points, of people who hold these ids, are of another space."""

    def learn(self, points: Points) -> None:
        """Learn points in order."""

    def assign(self, stabiliser: Stabiliser, rows: Rows, points: Points) -> Ids:
        """Label people whose vectors these are, and return the labels."""

    def drain(self) -> list[ModelChange]:
        """Return the ids minted since the last call."""

    def snapshot(self) -> bytes:
        """Return what `restore` needs."""

    def restore(self, snapshot: bytes) -> bool:
        """Go on from a snapshot; False where that can't be."""


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

    def __init__(self, settings: SegmentationSettings) -> None:
        self.kmeans = KMeans(settings.n_clusters, settings.rate, mode=settings.mode, seed=settings.seed)

    @property
    def segment_ids(self) -> Ids:
        return self.kmeans.segment_ids

    @property
    def learned(self) -> int:
        return self.kmeans.learned

    @property
    def inertia(self) -> float:
        return self.kmeans.inertia_window

    def fit(self, points: Points, cause: str) -> None:
        self.kmeans.refit(points, cause)

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
        self.kmeans.learn_many(points)

    def assign(self, stabiliser: Stabiliser, rows: Rows, points: Points) -> Ids:
        return stabiliser.assign(rows, points, self.kmeans)

    def drain(self) -> list[ModelChange]:
        return [ModelChange(c.segment_id, c.cause, c.centre) for c in self.kmeans.drain_changes()]

    def snapshot(self) -> bytes:
        return self.kmeans.snapshot()

    def restore(self, snapshot: bytes) -> bool:
        self.kmeans = KMeans.from_snapshot(snapshot)
        return True


class _Density:
    """DBSTREAM: as many segments as there are dense regions; -1 is everybody who is unlike the others."""

    refits = False

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
            ModelChange(c.segment_id, c.cause, centres.get(c.segment_id, nowhere))
            for c in self._model.drain_changes()
            if c.cause in {"formed", "split"}
        ]

    def snapshot(self) -> bytes:
        return self._model.snapshot()

    def restore(self, snapshot: bytes) -> bool:
        self._model = DBSTREAM.from_snapshot(snapshot)
        return True


class _Rivers:
    """A clusterer of River's, at River's speed. It has no snapshot but a pickle, so it begins anew after a restart."""

    refits = False

    def __init__(self, settings: SegmentationSettings) -> None:
        self._model: RiverClusterer = river_clusterer(settings.model, **settings.options)

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

    def change_space(self, points: Points, held: Ids, random: np.random.Generator) -> None:
        self._model = RiverClusterer(self._model.model.clone())

    def learn(self, points: Points) -> None:
        self._model.learn_many(points)

    def assign(self, stabiliser: Stabiliser, rows: Rows, points: Points) -> Ids:
        return stabiliser.assign_by(rows, points, self._model.predict_many)

    def drain(self) -> list[ModelChange]:
        return []

    def snapshot(self) -> bytes:
        return b""

    def restore(self, snapshot: bytes) -> bool:
        return False
