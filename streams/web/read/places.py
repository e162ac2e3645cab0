"""Where people are: in the space their segments were found in, and on a map of it that stays put.

The basis of the map is a function of the model's version alone (the principal axes of its centres): two web processes
draw the same map, and whoever moves on it has moved.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from encoders import content_space
from online_models import KMeans
from streams.profiles import Position
from streams.profiles.interest import VectorTable
from streams.profiles.layout import Layout
from streams.profiles.snapshot import Snapshot
from streams.profiles.state import PartitionState
from streams.profiles.vectors import PART_NAMES, VectorSpace
from streams.settings import SegmentationSettings, Settings
from streams.storage.encoders import active_encoder
from streams.web.read._rows import rows
from streams.web.read.names import segment_names

__all__ = [
    "MapCentre", "MapPoint", "PeopleMap", "Reason", "Rival", "Why", "people_map", "points_of_people",
    "why_this_segment",
]  # fmt: skip

Floats = npt.NDArray[np.float64]

_MODEL = """
SELECT model_version, snapshot FROM model_versions FINAL
WHERE segmentation IN {names:Array(String)} AND space_id = {space:String} AND layout = {layout:UInt64}
ORDER BY model_version DESC LIMIT 1
"""
_SAMPLE = """
SELECT profile_id, state, layout, segments[{segmentation:String}] AS segment FROM people_sample FINAL
WHERE event_count > 0 AND state != '' AND segments[{segmentation:String}] >= -1
ORDER BY sample_key LIMIT {most:UInt32}
"""
_ONE = """
SELECT profile_id, state, layout, segments[{segmentation:String}] AS segment
FROM profiles FINAL
LEFT JOIN (SELECT profile_id, segments FROM current_profiles WHERE profile_id = {id:String}) AS c USING profile_id
WHERE profile_id = {id:String} AND kind = 'person' AND event_count > 0
"""
_LAYOUTS = "SELECT layout, descriptor FROM state_layouts FINAL"
_VECTORS = """
SELECT content_id, vector FROM content FINAL
WHERE content_id IN {ids:Array(UInt64)} AND space_id = {space:String} AND status = 'ok'
"""
_SIZES = "SELECT segment, people FROM segment_sizes_now WHERE segmentation = {segmentation:String}"


@dataclass(frozen=True, slots=True)
class MapPoint:
    """A person on the map."""

    profile_id: str
    segment: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class MapCentre:
    """The centre of a segment on the map, and how many people the segment has."""

    segment: int
    name: str
    people: int
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class PeopleMap:
    """A sample of people, always the same, and all centres; `explained`: share of the centres' spread on each axis."""

    segmentation: str
    model_version: int
    explained: tuple[float, float]
    points: list[MapPoint]
    centres: list[MapCentre]


@dataclass(frozen=True, slots=True)
class Rival:
    """A segment and how far a person is from its centre, in the model's own scale."""

    segment: int
    name: str
    distance: float


@dataclass(frozen=True, slots=True)
class Reason:
    """A part of the vector, and its share in what makes the person's segment nearer than the next (may be negative)."""

    part: str
    share: float


@dataclass(frozen=True, slots=True)
class Why:
    """Why a person is in a segment: distances to all centres, and which part of the vector decides.

    The label is that of a smoothed vector and holds until another centre is 10 % nearer: `nearest` may be another.
    """

    profile_id: str
    segment: int
    nearest: int
    model_version: int
    rivals: list[Rival]
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class _Placed:
    """People in the space of a model: points (n, d), and the model's centres (k, d) with their ids."""

    version: int
    widths: tuple[int, ...]
    ids: list[str]
    segments: npt.NDArray[np.int64]
    points: Floats
    centres: Floats
    centre_ids: list[int]


def people_map(client: Client, settings: Settings, segmentation: str = "", *, people: int = 1_000) -> PeopleMap | None:
    """Return the map; None where no model has centres (yet)."""
    chosen = _chosen(settings, segmentation)
    placed = _place(client, settings, chosen, _SAMPLE, most=people) if chosen is not None else None
    if chosen is None or placed is None:
        return None
    middle, axes, explained = _basis(placed.centres)
    names, sizes = segment_names(client, chosen.name), dict(rows(client, _SIZES, segmentation=chosen.name))
    spots, centres = (placed.points - middle) @ axes, (placed.centres - middle) @ axes
    return PeopleMap(
        segmentation=chosen.name,
        model_version=placed.version,
        explained=explained,
        points=[
            MapPoint(of, segment, x, y)
            for of, segment, (x, y) in zip(placed.ids, placed.segments.tolist(), spots.tolist(), strict=True)
        ],
        centres=[
            MapCentre(of, names[of].text if of in names else "", sizes.get(of, 0), x, y)
            for of, (x, y) in zip(placed.centre_ids, centres.tolist(), strict=True)
        ],
    )


def points_of_people(
    client: Client, settings: Settings, segmentation: str = "", *, people: int = 5_000
) -> tuple[int, Floats] | None:
    """Return a sample of people in the space of the newest model, always the same (n, d), and that model's version.

    None where no model has centres (yet); only k-means has.
    """
    chosen = _chosen(settings, segmentation)
    placed = _place(client, settings, chosen, _SAMPLE, most=people) if chosen is not None else None
    return None if placed is None else (placed.version, placed.points)


def why_this_segment(client: Client, settings: Settings, profile_id: str, segmentation: str = "") -> Why | None:
    """Return why a person is where they are; None where nobody has that id or no model has centres."""
    chosen = _chosen(settings, segmentation)
    placed = _place(client, settings, chosen, _ONE, id=profile_id) if chosen is not None else None
    if chosen is None or placed is None or not placed.ids:
        return None
    away = (placed.centres - placed.points[0]) ** 2
    order = np.argsort(away.sum(axis=1), kind="stable")
    segment = int(placed.segments[0])
    held = placed.centre_ids.index(segment) if segment in placed.centre_ids else int(order[0])
    other = next((int(i) for i in order if i != held), held)
    names = segment_names(client, chosen.name)
    return Why(
        profile_id=profile_id,
        segment=segment,
        nearest=placed.centre_ids[order[0]],
        model_version=placed.version,
        rivals=[
            Rival(of := placed.centre_ids[i], names[of].text if of in names else "", float(np.sqrt(away[i].sum())))
            for i in order
        ],
        reasons=_reasons(away[other] - away[held], placed.widths),
    )


def _reasons(gain: Floats, widths: Sequence[int]) -> list[Reason]:
    """Return what each part adds to (squared distance to the next centre - that to the own), as shares of all of it."""
    ends = np.cumsum(widths)
    sums = [float(part.sum()) for part in np.split(gain, ends[:-1])]
    total = sum(abs(one) for one in sums) or 1.0
    found = [Reason(name, one / total) for name, one in zip(PART_NAMES, sums, strict=False)]
    return sorted(found, key=lambda reason: -abs(reason.share))


def _chosen(settings: Settings, segmentation: str) -> SegmentationSettings | None:
    """Return the segmentation's settings; only k-means has centres."""
    found = next((one for one in settings.segmentations if one.name == segmentation or not segmentation), None)
    return found if found is not None and found.model == "kmeans" else None


def _place(
    client: Client, settings: Settings, chosen: SegmentationSettings, query: str, **asked: Any
) -> _Placed | None:
    layout = Layout.from_settings(settings.features, settings.segmentation)
    active = active_encoder(client)
    named = (active.text, active.image) if active is not None else (settings.encoder.text, settings.encoder.image)
    space = content_space(*named, settings.encoder.models_dir or None)
    names = [chosen.name, ""] if chosen is settings.segmentation else [chosen.name]
    models = client.query(
        _MODEL,
        parameters={"names": names, "space": space.space_id, "layout": layout.layout_id},
        column_formats={"snapshot": "bytes"},
    ).result_rows
    if not models:
        return None
    version, stored = int(models[0][0]), Snapshot.decode(models[0][1])
    kmeans = KMeans.from_snapshot(stored.model)
    found = _arrow(client, query, {**asked, "segmentation": chosen.name})
    state = PartitionState(layout, dedup_window_us=1, dedup_max_ids=1)
    ids = found.column("profile_id").combine_chunks().cast(pa.utf8())
    layouts, descriptors = found.column("layout").to_numpy(), dict(rows(client, _LAYOUTS))
    state.restore(ids, found.column("state").combine_chunks(), layouts, descriptors, Position())
    everybody = np.arange(len(ids), dtype=np.int32)
    projection = space.projection(settings.segmentation.interest_dim)
    table = VectorTable(projection.matrix.shape[0])
    touched, weights = state.touches(everybody)
    _fill(client, table, space.space_id, np.unique(touched[weights > 0]), projection.apply)
    vectors = VectorSpace(table, chosen.parts, chosen.columns)
    vectors.restore(stored.scaler, stored.widths, stored.behaviour_weights)
    raw, _ = vectors.raw(state, everybody) if len(ids) else (np.empty((0, sum(stored.widths))), None)
    if raw.shape[1] < sum(stored.widths):  # a trained model is a part too: what isn't known here is its mean
        raw = np.hstack([raw, np.full((len(raw), sum(stored.widths) - raw.shape[1]), np.nan)])
    return _Placed(
        version, stored.widths, ids.to_pylist(), found.column("segment").to_numpy(), vectors.transform(raw),
        np.asarray(kmeans.centers, np.float64), kmeans.segment_ids.tolist(),
    )  # fmt: skip


def _fill(client: Client, table: VectorTable, space_id: str, ids: npt.NDArray[np.uint64], project: Any) -> None:
    found = _arrow(client, _VECTORS, {"ids": ids.tolist(), "space": space_id})
    if found.num_rows:
        vectors = found.column("vector").combine_chunks().flatten().to_numpy().reshape(found.num_rows, -1)
        table.upsert(found.column("content_id").to_numpy(), project(vectors))


def _arrow(client: Client, query: str, parameters: Mapping[str, Any]) -> pa.Table:
    """Ask for Arrow without a setting: the reading user may change none."""
    with pa.ipc.open_stream(client.raw_query(query, parameters=dict(parameters), fmt="ArrowStream")) as answer:
        return answer.read_all()


def _basis(centres: Floats) -> tuple[Floats, Floats, tuple[float, float]]:
    """Return (middle (d,), axes (d, 2), share of the spread on each); an axis points to its largest part."""
    middle = centres.mean(axis=0)
    _, strength, axes = np.linalg.svd(centres - middle, full_matrices=False)
    chosen = np.zeros((2, centres.shape[1]))
    chosen[: min(2, len(axes))] = axes[:2]
    largest = chosen[np.arange(2), np.argmax(np.abs(chosen), axis=1)]
    chosen *= np.where(largest < 0, -1.0, 1.0)[:, None]
    spread = strength**2 / max(float((strength**2).sum()), 1e-12)
    shares = [*spread[:2].tolist(), 0.0, 0.0]
    return middle, chosen.T, (shares[0], shares[1])
