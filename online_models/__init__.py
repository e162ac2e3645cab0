"""Vectors to segments: online k-means and density, standardisation and stable labels.

Nothing here knows about Kafka or ClickHouse; `streams` imports this package, never the other way round.
"""

from __future__ import annotations

from ._macro import Transition
from .changes import Change
from .conformance import ConformanceError, check_clusterer
from .density import DBSTREAM
from .errors import NotFiniteError, OnlineModelError, ShapeError, SnapshotError
from .kmeans import UNASSIGNED, KMeans
from .scaling import StandardScaler
from .stability import Stabiliser
from .warmup import warm_up_kernels

__all__ = [
    "DBSTREAM",
    "UNASSIGNED",
    "Change",
    "ConformanceError",
    "KMeans",
    "NotFiniteError",
    "OnlineModelError",
    "ShapeError",
    "SnapshotError",
    "Stabiliser",
    "StandardScaler",
    "Transition",
    "check_clusterer",
    "warm_up_kernels",
]
