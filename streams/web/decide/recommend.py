"""Recommendations: content near what a person likes and content their segment touches, without what they know.

Two rankings are merged by their ranks (reciprocal rank fusion: Cormack, Clarke, Buettcher, SIGIR 2009), because a
cosine and a number of people have no scale in common. Whoever has no vector gets the segment's, whoever has no
segment everybody's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from streams.profiles import Position
from streams.profiles.layout import Layout
from streams.profiles.state import PartitionState
from streams.settings import Settings
from streams.web.read._rows import first_segmentation, rows
from streams.web.read.content import ContentPiece, content_pieces

__all__ = ["Recommendations", "Recommended", "recommendations", "touch_weights"]

Floats = npt.NDArray[np.float64]

_PERSON = """
SELECT touched, layout, c.segments[{segmentation:String}], mapContains(c.segments, {segmentation:String})
FROM profiles FINAL
INNER JOIN (SELECT profile_id, segments FROM current_profiles WHERE profile_id = {id:String}) AS c USING profile_id
WHERE profile_id = {id:String} AND kind = 'person'
"""
_STATE = "SELECT state FROM profiles FINAL WHERE profile_id = {id:String} AND kind = 'person'"
_LAYOUT = "SELECT descriptor FROM state_layouts FINAL WHERE layout = {layout:UInt64}"
#: Vectors of what was touched, in the space that most of it is in: two spaces stand side by side while encoders change.
_TOUCHED = """
SELECT content_id, vector, space_id FROM content FINAL WHERE content_id IN {ids:Array(UInt64)} AND status = 'ok'
"""
_NEAR = """
SELECT content_id, 1 - cosineDistance(vector, {middle:Array(Float32)}) AS near
FROM content FINAL
WHERE space_id = {space:String} AND status = 'ok' AND kind = {kind:String}
  AND NOT has({known:Array(UInt64)}, content_id)
ORDER BY near DESC, content_id
LIMIT {most:UInt32}
"""
_VECTORS = """
SELECT content_id, vector FROM content FINAL
WHERE content_id IN {ids:Array(UInt64)} AND space_id = {space:String} AND status = 'ok'
"""
_OF_SEGMENT = """
SELECT toUInt64(key) AS content_id, people, share, lift FROM segment_cards
WHERE segmentation = {segmentation:String} AND segment = {segment:Int64} AND kind = 'content'
ORDER BY people DESC, low DESC
"""
_OF_EVERYBODY = """
SELECT toUInt64(key) AS content_id, max(people_all) AS n, n / max(sampled_all), NULL FROM segment_evidence
WHERE segmentation = {segmentation:String} AND kind = 'content'
GROUP BY key ORDER BY n DESC LIMIT 200
"""
_OF_KIND = """
SELECT DISTINCT content_id FROM content FINAL WHERE content_id IN {ids:Array(UInt64)} AND kind = {kind:String}
"""
#: Looked at of each ranking; the 60 is the paper's.
_LOOKED_AT, _RRF = 200, 60


@dataclass(frozen=True, slots=True)
class Recommended:
    """A piece of content and why: its cosine to the person's interest, and who of their segment touched it.

    `near` and `because` (what the person touched that is nearest to it) are None without vectors; `people` of the
    sampled ones of the segment touched it, `lift` times as often as everybody (None where everybody is counted).
    """

    piece: ContentPiece
    score: float
    near: float | None
    because: ContentPiece | None
    people: int
    share: float
    lift: float | None


@dataclass(frozen=True, slots=True)
class Recommendations:
    """What one person may like; `basis`: interest, segment, everybody."""

    profile_id: str
    segmentation: str
    segment: int | None
    basis: list[str]
    items: list[Recommended]


@dataclass(frozen=True, slots=True)
class _Liked:
    """What a person touched: ids, vectors (n, d) in one space, and their weighted mean."""

    ids: list[int]
    vectors: Floats
    middle: Floats
    space: str


def recommendations(
    client: Client, settings: Settings, profile_id: str, segmentation: str = "", *, limit: int = 10, kind: str = "item"
) -> Recommendations | None:
    """Return the best `limit` pieces of one kind; None: nobody has that id."""
    name = first_segmentation(client, segmentation)
    found = rows(client, _PERSON, id=profile_id, segmentation=name)
    if not found:
        return None
    touched, layout, label, labelled = found[0]
    segment = label if labelled and label >= -1 else None
    known = list(dict.fromkeys(touched))
    seen = set(known)
    liked = _liked(client, known, touch_weights(client, settings, profile_id, layout))
    near = dict(_nearest(client, liked, known, kind)) if liked is not None else {}
    popular = {
        content: (people, share, lift)
        for content, people, share, lift in _popular(client, name, segment)
        if content not in seen
    }
    of_kind = {row[0] for row in rows(client, _OF_KIND, ids=list(popular), kind=kind)} if popular else set()
    scores: dict[int, float] = {}
    for ranking in (list(near), [content for content in popular if content in of_kind]):
        for rank, content in enumerate(ranking, 1):
            scores[content] = scores.get(content, 0.0) + 1 / (_RRF + rank)
    best = sorted(scores, key=lambda content: (-scores[content], content))[:limit]
    reasons = _because(client, liked, best) if liked is not None else {}
    pieces = content_pieces(client, [*best, *reasons.values()])
    items = [
        Recommended(
            pieces[str(content)], scores[content], near.get(content), pieces.get(str(reasons.get(content))),
            *popular.get(content, (0, 0.0, None)),
        )
        for content in best
        if str(content) in pieces
    ]  # fmt: skip
    basis = ["interest"] * bool(near) + [("everybody" if segment is None else "segment")] * bool(of_kind)
    return Recommendations(profile_id, name, segment, basis, items)


def _popular(client: Client, name: str, segment: int | None) -> list[tuple[int, int, float, float | None]]:
    query = _OF_EVERYBODY if segment is None else _OF_SEGMENT
    found = rows(client, query, segmentation=name, segment=segment or 0)
    return [(content, round(people), share, lift) for content, people, share, lift in found]


def touch_weights(client: Client, settings: Settings, profile_id: str, layout_id: int) -> Mapping[int, float]:
    """Return content -> decayed weight of its touches, from the packed state; nothing where its layout isn't stored."""
    described = rows(client, _LAYOUT, layout=layout_id)
    if not described:
        return {}
    answer = client.query(_STATE, parameters={"id": profile_id}, column_formats={"state": "bytes"}).result_rows
    layout = Layout.from_settings(settings.features, settings.segmentation)
    state = PartitionState(layout, dedup_window_us=1, dedup_max_ids=1)
    ids, packed, layouts = (
        pa.array([profile_id]),
        pa.array([answer[0][0]], pa.binary()),
        np.array([layout_id], np.uint64),
    )
    state.restore(ids, packed, layouts, {layout_id: described[0][0]}, Position())
    touched, weights = state.touches(np.zeros(1, np.int32))
    return {int(of): float(weight) for of, weight in zip(touched[0], weights[0], strict=True) if weight > 0}


def _liked(client: Client, known: Sequence[int], weights: Mapping[int, float]) -> _Liked | None:
    """Return the person's interest, unprojected: the weighted mean of the vectors of what they touched."""
    found = rows(client, _TOUCHED, ids=list(known)) if known else []
    spaces = [space for *_, space in found]
    space = max(sorted(set(spaces)), key=spaces.count, default="")
    of_space = [(content, vector) for content, vector, of in found if of == space]
    if not of_space:
        return None
    ids = [content for content, _ in of_space]
    vectors = np.array([vector for _, vector in of_space], np.float64)
    weighs = np.array([weights.get(content, 0.0) for content in ids]) if weights else np.ones(len(ids))
    middle = weighs @ vectors
    return _Liked(ids, vectors, middle, space) if np.linalg.norm(middle) > 0 else None


def _nearest(client: Client, liked: _Liked, known: Sequence[int], kind: str) -> list[tuple[int, float]]:
    asked = {"middle": liked.middle.tolist(), "space": liked.space, "kind": kind, "known": list(known)}
    return [(content, near) for content, near in rows(client, _NEAR, **asked, most=_LOOKED_AT)]


def _because(client: Client, liked: _Liked, best: Sequence[int]) -> dict[int, int]:
    """Return content -> the touched piece whose vector is nearest to it (cosine)."""
    found = rows(client, _VECTORS, ids=list(best), space=liked.space) if best else []
    if not found:
        return {}
    vectors = np.array([vector for _, vector in found], np.float64)
    alike = _unit(vectors) @ _unit(liked.vectors).T
    return {content: liked.ids[at] for (content, _), at in zip(found, alike.argmax(axis=1).tolist(), strict=True)}


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = vectors / np.maximum(length, 1e-12)
    return unit
