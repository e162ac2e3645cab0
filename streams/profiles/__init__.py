"""Profiles: what is kept about a person, as an algebra in columns, and how people become points and segments.

`state` is exact and a function of the log; `segmentation` gives labels under a model's version.
"""

from __future__ import annotations

from streams.profiles.activity import Activity, ActivityRow
from streams.profiles.features import DEFAULT_FEATURES
from streams.profiles.interest import VectorTable, interest
from streams.profiles.joint import JointModel, JointVersion
from streams.profiles.labels import MERGED, UNASSIGNED, PartitionLabels
from streams.profiles.layout import Layout
from streams.profiles.position import Position
from streams.profiles.segmentation import Segmentation
from streams.profiles.segmentations import Segmentations
from streams.profiles.state import Applied, Finalized, PartitionState

__all__ = [
    "DEFAULT_FEATURES",
    "MERGED",
    "UNASSIGNED",
    "Activity",
    "ActivityRow",
    "Applied",
    "Finalized",
    "JointModel",
    "JointVersion",
    "Layout",
    "PartitionLabels",
    "PartitionState",
    "Position",
    "Segmentation",
    "Segmentations",
    "VectorTable",
    "interest",
]
