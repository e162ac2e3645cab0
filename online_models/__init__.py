"""Vectors to segments: online k-means and density, standardisation and stable labels.

Nothing here knows about Kafka or ClickHouse; `streams` imports this package, never the other way round.
"""

from __future__ import annotations

from ._macro import Transition
from .changes import Change
from .choose_k import Advice, Choice, bic, choose_k, simplified_silhouette
from .conformance import ConformanceError, check_clusterer
from .density import DBSTREAM
from .errors import NotFiniteError, OnlineModelError, ShapeError, SnapshotError, UnsuitableModelError
from .kmeans import UNASSIGNED, KMeans
from .merger import Merger
from .quality import Quality, assess, nearest_centres, overlap_of
from .river_models import RiverClusterer, river_clusterer
from .scaling import StandardScaler
from .shared_model import SharedModel, Update
from .sharing import LocalLearner
from .shifts import (
    Drift,
    Shift,
    baseline_windows,
    centre_drift,
    measured_dispersion,
    shift_test,
    typical_dispersion,
)
from .stability import Stabiliser
from .warmup import warm_up_kernels

__all__ = [
    "DBSTREAM",
    "UNASSIGNED",
    "Advice",
    "Change",
    "Choice",
    "ConformanceError",
    "Drift",
    "KMeans",
    "LocalLearner",
    "Merger",
    "NotFiniteError",
    "OnlineModelError",
    "Quality",
    "RiverClusterer",
    "ShapeError",
    "SharedModel",
    "Shift",
    "SnapshotError",
    "Stabiliser",
    "StandardScaler",
    "Transition",
    "UnsuitableModelError",
    "Update",
    "assess",
    "baseline_windows",
    "bic",
    "centre_drift",
    "check_clusterer",
    "choose_k",
    "measured_dispersion",
    "nearest_centres",
    "overlap_of",
    "river_clusterer",
    "shift_test",
    "simplified_silhouette",
    "typical_dispersion",
    "warm_up_kernels",
]
