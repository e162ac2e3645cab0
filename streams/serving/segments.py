"""Segment cards: who is in a segment, and what sets it apart from everybody."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

__all__ = ["SegmentCard", "segment_cards", "segmentation_names"]

#: Who is in which segment of the first segmentation, and of one by name; -1 are those a density model leaves over.
_FIRST = "(SELECT segment AS chosen, event_count, traits, features FROM current_profiles WHERE segment >= -1)"
_NAMED = (
    "(SELECT segments[{segmentation:String}] AS chosen, event_count, traits, features FROM current_profiles "
    "WHERE mapContains(segments, {segmentation:String}) AND chosen >= -1)"
)
_SIZES = "SELECT chosen, count(), sum(event_count) FROM {people} GROUP BY chosen ORDER BY chosen"

#: In one pass: how much of each thing the people of a segment have (decayed activity; for traits, how many people).
_WEIGHTS = """
SELECT chosen, entry.1 AS kind, entry.2 AS key, sum(entry.3) AS weight
FROM {people}
ARRAY JOIN arrayConcat(
    arrayMap(f -> ('category', substring(f.1, 10), f.2),
             arrayFilter(f -> startsWith(f.1, 'category/'), CAST(features, 'Array(Tuple(String, Float64))'))),
    arrayMap(f -> ('event', substring(f.1, 7), f.2),
             arrayFilter(f -> startsWith(f.1, 'event/'), CAST(features, 'Array(Tuple(String, Float64))'))),
    arrayMap(t -> ('trait', concat(t.1, '=', t.2), 1.), CAST(traits, 'Array(Tuple(String, String))'))) AS entry
GROUP BY chosen, kind, key
ORDER BY chosen, kind, key
"""
#: What fewer of a segment have than this doesn't set it apart, however rare it is elsewhere.
_LEAST_SHARE = 0.02
_MOST = 3


@dataclass(frozen=True, slots=True)
class SegmentCard:
    """One segment; each list holds up to three (name, lift), the highest lift first."""

    segment: int
    people: int
    events: int
    categories: list[tuple[str, float]]
    actions: list[tuple[str, float]]
    traits: list[tuple[str, float]]


def segment_cards(client: Client, segmentation: str = "") -> list[SegmentCard]:
    """Return a card for each segment of a segmentation (the first one, if none is named) that has people."""
    people = _NAMED if segmentation else _FIRST
    parameters = {"segmentation": segmentation}
    sizes = client.query(_SIZES.replace("{people}", people), parameters=parameters).result_rows
    weights = client.query(_WEIGHTS.replace("{people}", people), parameters=parameters).result_rows
    categories, actions, traits = (
        _lifts([(segment, key, weight) for segment, kind, key, weight in weights if kind == wanted])
        for wanted in ("category", "event", "trait")
    )
    return [
        SegmentCard(
            segment, people, events, categories.get(segment, []), actions.get(segment, []), traits.get(segment, [])
        )
        for segment, people, events in sizes
    ]


def segmentation_names(client: Client) -> list[str]:
    """Return the names of the segmentations that people have labels in."""
    rows = client.query("SELECT DISTINCT arrayJoin(mapKeys(segments)) AS name FROM current_profiles ORDER BY name")
    return [str(name) for (name,) in rows.result_rows]


def _lifts(weights: Iterable[tuple[int, str, float]]) -> dict[int, list[tuple[str, float]]]:
    """Return the highest lifts of each segment: a thing's share of the segment's weight against its share of all."""
    of_segment: dict[int, dict[str, float]] = {}
    of_key: dict[str, float] = {}
    for segment, key, weight in weights:
        of_segment.setdefault(segment, {})[key] = weight
        of_key[key] = of_key.get(key, 0.0) + weight
    everything = sum(of_key.values())
    found: dict[int, list[tuple[str, float]]] = {}
    for segment, of_it in of_segment.items():
        total = sum(of_it.values())
        lifts = [
            (key, weight / total / (of_key[key] / everything))
            for key, weight in of_it.items()
            if weight > 0.0 and weight / total >= _LEAST_SHARE
        ]
        lifts.sort(key=lambda entry: -entry[1])
        found[segment] = [(key, round(lift, 2)) for key, lift in lifts[:_MOST]]
    return found
