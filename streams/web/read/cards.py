"""Persona cards: who a segment is, with the evidence. From the sample: bounded, hence the intervals."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from clickhouse_connect.driver.client import Client

from streams.web.naming import Lift, SegmentName
from streams.web.read._rows import first_segmentation, rows
from streams.web.read.content import ContentPiece, content_pieces
from streams.web.read.names import segment_lifts, segment_names
from streams.web.read.sizes import SizesOverTime, sizes_over_time

__all__ = ["Card", "Figure", "LikedContent", "TypicalPerson", "segment_card"]

_SIZE = """
SELECT sumIf(people, segment = {segment:Int64}), sum(people) FROM segment_sizes_now
WHERE segmentation = {segmentation:String} AND segment >= -1
"""
#: The row without a kind is there as soon as somebody of the segment is in the sample.
_VALUE = """
SELECT kind, sampled, sampled_at, key, total, squares, people, total_all, people_all, sampled_all FROM segment_evidence
WHERE segmentation = {segmentation:String} AND segment = {segment:Int64} AND kind IN ('', 'value') ORDER BY kind, key
"""
_PEOPLE = """
SELECT profile_id, event_count, last_seen, traits, features FROM people_sample FINAL
WHERE event_count > 0 AND mapContains(segments, {segmentation:String})
  AND segments[{segmentation:String}] = {segment:Int64} AND sample_key <= {last:UInt64}
ORDER BY sample_key LIMIT {most:UInt32}
"""
_VECTORS = """
SELECT toString(content_id), vector, space_id FROM content FINAL
WHERE content_id IN {ids:Array(UInt64)} AND status = 'ok'
"""
#: Lifts of a kind, pieces of content, pieces whose middle is sought, people looked at, people shown.
_MOST, _PIECES, _MIDDLE, _LOOKED_AT, _TYPICAL = 12, 6, 40, 300, 3
_KINDS = ("category", "event", "trait")
_CLOCK = {"hour": 24, "weekday": 7}
#: Keys of the sample are hashes of 64 bits; so many times what is wanted is read, by the key: a segment's share varies.
_KEYS, _ROOM = 2**64, 2
#: One person's touch is no liking of a segment, however large its lift.
_LIKED_BY = 2


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean a person with its 95 % interval, beside everybody's mean.

    orders, sessions, events: how many ever; revenue, price: money in the shop's own currency; recency_days: days from
    the last order to the last visit, of those who ordered.
    """

    key: str
    mean: float
    low: float
    high: float
    mean_all: float


@dataclass(frozen=True, slots=True)
class LikedContent:
    """Content that a segment's people touch; `lift` against everybody, None in a list that isn't about lift."""

    piece: ContentPiece
    people: int
    lift: float
    low: float


@dataclass(frozen=True, slots=True)
class TypicalPerson:
    """A person near the middle of the segment; `top` is what they do most."""

    profile_id: str
    event_count: int
    last_seen: datetime
    traits: dict[str, str]
    top: list[str]


@dataclass(frozen=True, slots=True)
class Card:
    """A persona card. `hours` and `weekdays` (Monday first) are shares of people by their busiest one, in UTC."""

    segmentation: str
    segment: int
    name: SegmentName
    people: int
    share: float
    sampled: int
    sampled_at: datetime | None
    trend: SizesOverTime
    lifts: list[Lift]
    value: list[Figure]
    hours: list[float]
    weekdays: list[float]
    top_content: list[LikedContent]
    medoid_content: list[LikedContent]
    typical: list[TypicalPerson]


def segment_card(client: Client, segment: int, segmentation: str = "") -> Card | None:
    """Return the card of a segment; None: nobody is in it."""
    name = first_segmentation(client, segmentation)
    asked = {"segmentation": name, "segment": segment}
    people, everybody = rows(client, _SIZE, **asked)[0]
    if not people:
        return None
    values = rows(client, _VALUE, **asked)
    by_kind: dict[str, list[Lift]] = defaultdict(list)
    for lift in segment_lifts(client, name, (*_KINDS, *_CLOCK, "content"), segment, _MIDDLE).get(segment, []):
        by_kind[lift.kind].append(lift)  # the surest first
    sampled, sampled_at = next(((n, at) for kind, n, at, *_ in values if not kind), (0, None))
    top, middle = _content(client, by_kind["content"])
    hours, weekdays = (_clock(by_kind[kind], length) for kind, length in _CLOCK.items())
    return Card(
        segmentation=name,
        segment=segment,
        name=segment_names(client, name).get(segment, SegmentName("")),
        people=people,
        share=people / everybody,
        sampled=sampled,
        sampled_at=sampled_at,
        trend=sizes_over_time(client, name, minutes=60),
        lifts=sorted((lift for kind in _KINDS for lift in by_kind[kind][:_MOST]), key=lambda lift: -lift.low),
        value=[_figure(row) for row in values if row[0]],
        hours=hours,
        weekdays=weekdays,
        top_content=top,
        medoid_content=middle,
        typical=_typical(client, {**asked, "last": _last_key(people)}),
    )


def _figure(row: tuple[Any, ...]) -> Figure:
    """Take recency and price over those who have one, the rest over all: who ordered nothing has 0 orders."""
    _, sampled, _, key, total, squares, people, total_all, people_all, sampled_all = row
    had = key in {"recency_days", "price"}
    n = people if had else sampled
    mean = total / n
    half = 1.96 * math.sqrt(max(squares / n - mean * mean, 0.0) / n)
    return Figure(key, mean, mean - half, mean + half, total_all / (people_all if had else sampled_all))


def _clock(lifts: Iterable[Lift], length: int) -> list[float]:
    shares = [0.0] * length
    for lift in lifts:
        shares[int(lift.key)] = lift.share
    return shares


def _content(client: Client, liked: Sequence[Lift]) -> tuple[list[LikedContent], list[LikedContent]]:
    """Return the content the segment surely likes more than others, and that in the middle of what it touches."""
    pieces = content_pieces(client, [int(entry.key) for entry in liked])
    shown = [LikedContent(pieces[e.key], round(e.people), e.lift, e.low) for e in liked if e.key in pieces]
    vectors = _vectors(client, [int(entry.key) for entry in liked])
    near = _nearest({e.piece.content_id: e.people for e in shown}, vectors)
    by_id = {entry.piece.content_id: entry for entry in shown}
    titled = [e for e in shown if (e.piece.title or e.piece.image_url) and e.people >= _LIKED_BY]
    return titled[:_PIECES], [by_id[content] for content in near[:_TYPICAL]]


def _vectors(client: Client, ids: Sequence[int]) -> dict[str, npt.NDArray[np.float64]]:
    """Return vectors of the space that most of this content is in."""
    found = rows(client, _VECTORS, ids=list(ids)) if ids else []
    spaces = [space for *_, space in found]
    space = max(set(spaces), key=spaces.count, default="")
    return {content: np.asarray(vector, np.float64) for content, vector, of in found if of == space}


def _nearest(weights: Mapping[str, int], vectors: Mapping[str, npt.NDArray[np.float64]]) -> list[str]:
    """Return ids, the nearest to the weighted mean first (cosine)."""
    known = [content for content in weights if content in vectors]
    if not known:
        return []
    points = np.array([vectors[content] for content in known])
    points /= np.maximum(np.linalg.norm(points, axis=1, keepdims=True), 1e-12)
    middle = np.average(points, axis=0, weights=[weights[content] for content in known])
    return [known[i] for i in np.argsort(-(points @ middle), kind="stable")]


def _last_key(people: int) -> int:
    """Return a sample key up to which there are surely enough of a segment's `people`: the rest isn't read."""
    return min(_KEYS - 1, _KEYS * _ROOM * _LOOKED_AT // max(people, 1))


def _typical(client: Client, asked: Mapping[str, object]) -> list[TypicalPerson]:
    """Return the people whose shares of categories and events are nearest to the segment's mean (Hellinger)."""
    found = rows(client, _PEOPLE, **asked, most=_LOOKED_AT)
    shares = [_shares(features) for *_, features in found]
    keys = {key: i for i, key in enumerate(sorted({key for one in shares for key in one}))}
    points = np.zeros((len(found), len(keys)))
    for row, one in enumerate(shares):
        for key, share in one.items():
            points[row, keys[key]] = math.sqrt(share)
    distance = np.linalg.norm(points - points.mean(axis=0), axis=1) if len(found) else np.empty(0)
    return [
        TypicalPerson(profile_id, events, seen, traits, _most(features))
        for i in np.argsort(distance, kind="stable")[:_TYPICAL]
        for profile_id, events, seen, traits, features in [found[i]]
    ]


def _shares(features: Mapping[str, float]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for prefix in ("category/", "event/"):
        of = {key: value for key, value in features.items() if key.startswith(prefix) and value > 0}
        total = sum(of.values())
        shares |= {key: value / total for key, value in of.items()}
    return shares


def _most(features: Mapping[str, float]) -> list[str]:
    of = {key: value for key, value in features.items() if key.startswith("category/")} or {
        key: value for key, value in features.items() if key.startswith("event/")
    }
    return [key.split("/", 1)[1] for key in sorted(of, key=lambda key: -of[key])[:3]]
