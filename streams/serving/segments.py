"""Segment cards: who is in a segment, and what sets it apart from everybody."""

from __future__ import annotations

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

#: Share of the people of a segment (or of their decayed activity) against the same share of everybody.
_LIFTS = """
WITH totals AS (SELECT segment, key, sum(weight) AS w FROM ({source}) GROUP BY segment, key),
     sums AS (SELECT segment, sum(w) AS all_of_segment FROM totals GROUP BY segment),
     everybody AS (SELECT key, sum(w) / (SELECT sum(w) FROM totals) AS share FROM totals GROUP BY key)
SELECT totals.segment, totals.key, totals.w / sums.all_of_segment / everybody.share AS lift,
       totals.w / sums.all_of_segment AS share_of_segment
FROM totals JOIN sums ON totals.segment = sums.segment JOIN everybody ON totals.key = everybody.key
WHERE share_of_segment >= 0.02
ORDER BY totals.segment, lift DESC
"""
_CATEGORIES = """
SELECT chosen AS segment, substring(entry.1, 10) AS key, entry.2 AS weight
FROM {people} ARRAY JOIN CAST(features, 'Array(Tuple(String, Float64))') AS entry
WHERE startsWith(entry.1, 'category/')
"""
_EVENTS = _CATEGORIES.replace("'category/'", "'event/'").replace("10) AS key", "7) AS key")
_TRAITS = """
SELECT chosen AS segment, concat(entry.1, '=', entry.2) AS key, 1.0 AS weight
FROM {people} ARRAY JOIN CAST(traits, 'Array(Tuple(String, String))') AS entry
"""
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
    categories, actions, traits = (
        _lifts(client, source.replace("{people}", people), parameters) for source in (_CATEGORIES, _EVENTS, _TRAITS)
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


def _lifts(client: Client, source: str, parameters: dict[str, str]) -> dict[int, list[tuple[str, float]]]:
    found: dict[int, list[tuple[str, float]]] = {}
    query = _LIFTS.replace("{source}", source)
    for segment, key, lift, _share in client.query(query, parameters=parameters).result_rows:
        entries = found.setdefault(segment, [])
        if len(entries) < _MOST:
            entries.append((key, round(float(lift), 2)))
    return found
