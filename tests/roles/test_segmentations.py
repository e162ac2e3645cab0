"""Several segmentations in one profiler: each with its model, its labels, its rows, and the same after a restart."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from streams.commands import choosing_k, looking
from streams.errors import InputError
from streams.kafka import end_offsets
from streams.roles.profiler import Profiler
from streams.settings import SegmentationSettings, Settings
from streams.storage import connect
from streams.web.decide.recommend import touch_weights
from streams.web.read.places import people_map, why_this_segment
from tests.faults.known_log import KnownLog
from tests.roles.test_profiler import PATIENCE_S, Block, blocks_of, positions, send

OTHERS = [
    SegmentationSettings(name="value", columns=["orders"], parts={"behaviour": 1.0}, n_clusters=3),
    SegmentationSettings(name="odd", model="dbstream", options={"minimum_weight": 2.0}, parts={"behaviour": 1.0}),
]


SIZES = """
SELECT segment, sum(people) FROM segment_sizes FINAL
WHERE segmentation = '{name}'
  AND (kafka_partition, version) IN (SELECT kafka_partition, max(version) FROM segment_sizes GROUP BY kafka_partition)
GROUP BY segment
"""
BEGUN = """
SELECT segmentation, count() FROM segment_changes FINAL WHERE from_segment = -2
GROUP BY segmentation ORDER BY segmentation
"""
FIRST_FITS = """
SELECT segmentation, countIf(cause = 'first fit') FROM model_versions FINAL GROUP BY segmentation ORDER BY segmentation
"""


def work(settings: Settings, blocks: list[Block]) -> None:
    """Send blocks and go on until all is committed and every segmentation has had its fit."""
    send(settings, blocks)
    profiler = Profiler(settings)
    deadline = time.monotonic() + PATIENCE_S
    try:
        ends = {p: end for p, end in end_offsets(settings, settings.kafka.topics.clicks).items() if end}
        while not (profiler._segmentations.fitted and profiler._all_safe and positions(settings) == ends):
            profiler.step()
            assert time.monotonic() < deadline
        profiler.commit()
    finally:
        profiler.close()


def rows(settings: Settings, query: str) -> list[Any]:
    with connect(settings) as client:
        return list(client.query(query).result_rows)


def test_each_segmentation_has_rows_of_its_own_and_keeps_them(ready: Settings) -> None:
    settings = msgspec.structs.replace(ready, other_segmentations=OTHERS)
    log = KnownLog(8, 4_000)
    blocks = blocks_of(settings, log)

    work(settings, blocks[: len(blocks) // 2])

    people = dict(rows(settings, "SELECT profile_id, segments FROM current_profiles"))
    assert {tuple(sorted(segments)) for segments in people.values()} == {("interest", "odd", "value")}
    by_table = {
        table: {name for (name,) in rows(settings, f"SELECT DISTINCT segmentation FROM {table}")}
        for table in ("segment_changes", "segment_sizes", "segments", "model_versions", "segment_flows")
    }
    assert by_table == {table: {"interest", "odd", "value"} for table in by_table}
    for name in ("interest", "odd", "value"):  # the newest sizes are what people have, in every segmentation
        sizes = dict(rows(settings, SIZES.format(name=name)))
        held = [segments[name] for segments in people.values()]
        assert sizes == {segment: held.count(segment) for segment in set(held)}
        cards = looking.segments(settings, name)
        assert {card.segment: card.people for card in cards} == {s: n for s, n in sizes.items() if s >= -1}
    assert len({segments["value"] for segments in people.values()}) <= 3
    assert len({segments["value"] for segments in people.values()}) > 1

    begun = rows(settings, BEGUN)
    work(settings, [])  # a profiler that reads nothing new goes on with the models and labels that are stored
    assert rows(settings, BEGUN) == begun
    assert rows(settings, FIRST_FITS) == [("interest", 1), ("odd", 1), ("value", 1)]

    work(settings, blocks[len(blocks) // 2 :])
    found = dict(rows(settings, "SELECT profile_id, event_count FROM current_profiles"))
    assert found == {name: person.events for name, person in log.people.items()}
    with pytest.raises(InputError, match="nope"):
        looking.segments(settings, "nope")


def test_one_segmentation_writes_nothing_of_others(ready: Settings) -> None:
    work(ready, blocks_of(ready, KnownLog(9, 1_000)))

    assert rows(ready, "SELECT countIf(notEmpty(other_segments) OR notEmpty(other_people)) FROM profiles") == [(0,)]
    assert {tuple(segments) for (segments,) in rows(ready, "SELECT segments FROM current_profiles")} == {("interest",)}


def test_a_segmentation_that_is_declared_later_begins_with_everybody_unassigned(ready: Settings) -> None:
    blocks = blocks_of(ready, KnownLog(10, 2_000))
    work(ready, blocks[: len(blocks) // 2])
    settings = msgspec.structs.replace(ready, other_segmentations=OTHERS[:1])

    work(settings, blocks[len(blocks) // 2 :])

    changes = rows(settings, "SELECT DISTINCT from_segment FROM segment_changes WHERE segmentation = 'value'")
    assert (-2,) in changes


def test_what_somebody_likes_weighs_what_they_touched_as_the_profile_does(ready: Settings) -> None:
    work(ready, blocks_of(ready, KnownLog(12, 1_000)))
    with connect(ready) as client:
        touched = client.query(
            "SELECT profile_id, layout, touched FROM profiles FINAL WHERE kind = 'person' AND event_count > 0 LIMIT 50"
        ).result_rows
        weights = [touch_weights(client, ready, person, layout) for person, layout, _ in touched]

    assert [set(one) for one in weights] == [set(ids) for *_, ids in touched]
    assert any(weights)
    assert any(len(set(one.values())) > 1 for one in weights)
    assert all(weight > 0 for one in weights for weight in one.values())


def test_the_map_shows_people_where_the_model_has_them(ready: Settings) -> None:
    work(ready, blocks_of(ready, KnownLog(11, 2_000)))
    with connect(ready) as client, connect(ready) as later:
        drawn = people_map(client, ready)
        again = people_map(later, ready)
        held = dict(rows(ready, "SELECT profile_id, segment FROM current_profiles"))
        assert drawn is not None
        reasons = [why_this_segment(client, ready, point.profile_id) for point in drawn.points]
        assert why_this_segment(client, ready, "nobody") is None

    assert drawn == again
    assert drawn.points
    sample = choosing_k.vectors_of_people(ready, "", most=5_000)
    assert len(sample.vectors) == len(drawn.points)
    assert "'interest'" in sample.source
    assert {choice.k for choice in choosing_k.advise(sample, [2, 3], seed=0, tell=lambda _: None).table} == {2, 3}
    assert {point.profile_id: point.segment for point in drawn.points}.items() <= held.items()
    assert [centre.segment for centre in drawn.centres] == rows(
        ready, "SELECT segments FROM model_versions FINAL ORDER BY model_version DESC LIMIT 1"
    )[0][0]
    for point, why in zip(drawn.points, reasons, strict=True):
        assert why is not None
        distances = [rival.distance for rival in why.rivals]
        assert distances == sorted(distances)
        assert (why.segment, why.nearest) == (point.segment, why.rivals[0].segment)
        assert sum(abs(reason.share) for reason in why.reasons) == pytest.approx(1)
    assert sum(why is not None and why.segment == why.nearest for why in reasons) > len(reasons) / 2
