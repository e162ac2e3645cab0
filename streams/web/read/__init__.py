"""Every question a page asks, as a typed function of a client; each reads aggregates, or a bounded sample."""

from __future__ import annotations

from streams.web.read._rows import segmentations
from streams.web.read.cards import Card, Figure, LikedContent, TypicalPerson, segment_card
from streams.web.read.content import ContentPiece, content_pieces
from streams.web.read.health import Alert, Freshness, Health, Partition, alerts, freshness, health
from streams.web.read.moves import Flow, Flows, ModelVersion, Stability, StabilityPoint, flows, stability
from streams.web.read.names import segment_evidence, segment_names
from streams.web.read.overview import Overview, overview
from streams.web.read.people import Change, Link, Person, PersonRow, holder, people, person
from streams.web.read.places import (
    MapCentre,
    MapPoint,
    PeopleMap,
    Reason,
    Rival,
    Why,
    people_map,
    why_this_segment,
)
from streams.web.read.sizes import Segment, SegmentsNow, SizesOverTime, segments_now, sizes_over_time

__all__ = [
    "Alert",
    "Card",
    "Change",
    "ContentPiece",
    "Figure",
    "Flow",
    "Flows",
    "Freshness",
    "Health",
    "LikedContent",
    "Link",
    "MapCentre",
    "MapPoint",
    "ModelVersion",
    "Overview",
    "Partition",
    "PeopleMap",
    "Person",
    "PersonRow",
    "Reason",
    "Rival",
    "Segment",
    "SegmentsNow",
    "SizesOverTime",
    "Stability",
    "StabilityPoint",
    "TypicalPerson",
    "Why",
    "alerts",
    "content_pieces",
    "flows",
    "freshness",
    "health",
    "holder",
    "overview",
    "people",
    "people_map",
    "person",
    "segment_card",
    "segment_evidence",
    "segment_names",
    "segmentations",
    "segments_now",
    "sizes_over_time",
    "stability",
    "why_this_segment",
]  # fmt: skip
