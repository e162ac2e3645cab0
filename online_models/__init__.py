"""Vectors to segments: online k-means, standardisation and stable labels.

Nothing here knows about Kafka or ClickHouse; `streams` imports this package, never the other way round.
"""

from __future__ import annotations

from .changes import Change
from .conformance import ConformanceError, check_clusterer
from .errors import NotFiniteError, OnlineModelError, ShapeError, SnapshotError
from .kmeans import UNASSIGNED, KMeans
from .scaling import StandardScaler
from .stability import Stabiliser
from .warmup import warm_up_kernels

__all__ = [
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
    "check_clusterer",
    "warm_up_kernels",
]
