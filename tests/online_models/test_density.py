"""DBSTREAM: River's micro-clusters bit for bit, and segments that hold whatever their shape."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import cluster
from sklearn.datasets import load_digits, load_wine, make_moons
from sklearn.metrics import adjusted_rand_score

from online_models import DBSTREAM, NotFiniteError, ShapeError, SnapshotError, Transition
from online_models._dbstream import FADES, REMEMBERED, components

from .test_adaptive import CORNERS, blobs

Micros = tuple[list[int], list[list[float]], list[float], list[int]]


def rings(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(2, size=n)
    angle, radius = random.uniform(0, 2 * np.pi, n), np.where(labels, 3.0, 1.0) + random.normal(0, 0.06, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), labels


def standardised(vectors: np.ndarray) -> np.ndarray:
    deviation = vectors.std(axis=0)
    shuffled = np.random.default_rng(0).permutation(vectors)
    return (shuffled - vectors.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)


def river_learned(vectors: np.ndarray, **parameters: Any) -> Any:
    river = cluster.DBSTREAM(**parameters)
    for row in vectors.tolist():
        river.learn_one(dict(enumerate(row)))
    return river


def river_micros(river: Any) -> Micros:
    micros = river.micro_clusters
    return (
        list(micros),
        [[m.center[j] for j in sorted(m.center)] for m in micros.values()],
        [m.weight for m in micros.values()],
        [m.last_update for m in micros.values()],
    )


def our_micros(model: DBSTREAM) -> Micros:
    return (
        model.micro_ids.tolist(), model.micro_centers.tolist(), model.micro_weights.tolist(),
        model.micro_updated.tolist(),
    )  # fmt: skip


MOONS = {"clustering_threshold": 0.15, "fading_factor": 0.001, "cleanup_interval": 50, "intersection_factor": 0.1}
STREAMS = {
    "moons": (make_moons(4_000, noise=0.06, random_state=0)[0], MOONS),
    "moons, River's settings": (make_moons(3_000, noise=0.06, random_state=1)[0], {}),
    "rings": (rings(4_000, 0)[0], {"clustering_threshold": 0.3, "fading_factor": 0.002, "cleanup_interval": 7}),
    "digits": (standardised(load_digits().data), {"clustering_threshold": 6.0, "fading_factor": 0.002}),
    "wine": (np.tile(standardised(load_wine().data), (6, 1)), {"clustering_threshold": 2.5, "cleanup_interval": 30}),
    "mixture": (blobs(np.random.default_rng(2).normal(size=(16, 32)), 2_000, 0.6), {"clustering_threshold": 4.5}),
    "always new": (np.random.default_rng(3).normal(size=(2_000, 8)), {"clustering_threshold": 0.5}),
    "drift": (blobs(CORNERS, 3_000) + np.arange(3_000)[:, None] / 100, {"fading_factor": 0.05}),
}


@pytest.mark.parametrize("name", STREAMS)
def test_micro_clusters_are_rivers_bit_for_bit(name: str) -> None:
    vectors, parameters = STREAMS[name]
    ours = DBSTREAM(**parameters)
    ours.learn_many(vectors)
    assert our_micros(ours) == river_micros(river_learned(vectors, **parameters))
    assert len(ours.micro_ids) > 1


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 120), st.floats(0.01, 3.0), st.floats(1e-4, 1.0),
    st.integers(1, 40), st.booleans(),
)  # fmt: skip
def test_micro_clusters_of_small_streams(
    seed: int, d: int, n: int, radius: float, fading: float, gap: int, grid: bool
) -> None:
    vectors = np.random.default_rng(seed).normal(size=(n, d))
    vectors, radius = (np.rint(vectors * 2) / 2, 0.5) if grid else (vectors, radius)  # distances equal to the radius
    parameters = {"clustering_threshold": radius, "fading_factor": fading, "cleanup_interval": gap}
    ours = DBSTREAM(**parameters)
    for part in np.split(vectors, [n // 3]):
        ours.learn_many(part)
    assert our_micros(ours) == river_micros(river_learned(vectors, **parameters))


@pytest.mark.parametrize("fading", [1.0, 0.01, 1e-6])
def test_what_is_left_after_some_events_is_pythons_power(fading: float) -> None:
    left = DBSTREAM(fading_factor=fading)._rule[FADES:]
    assert left.tolist() == [2 ** (-fading * events) for events in range(REMEMBERED)]


def test_a_heavy_micro_cluster_outlives_what_it_would_have_been_checked_at() -> None:
    """Heavy ones are checked late, light ones at each clean-up, whichever way the stream is cut."""
    crowd, once = np.zeros((300, 2)), np.arange(1, 41)[:, None] * [50.0, 0.0]
    vectors = np.vstack([crowd, once, crowd[:1], once[::-1]])
    parameters = {"clustering_threshold": 1.0, "fading_factor": 0.05, "cleanup_interval": 3}
    whole, parts = DBSTREAM(**parameters), DBSTREAM(**parameters)
    whole.learn_many(vectors)
    for vector in vectors:
        parts.learn_many(vector[None])
    assert our_micros(whole) == our_micros(parts) == river_micros(river_learned(vectors, **parameters))
    assert parts.snapshot() == whole.snapshot()
    assert (whole.micro_centers[0].tolist(), len(whole.micro_ids) < 10) == ([0.0, 0.0], True)


def test_shared_density_is_rivers_where_river_forgets_it() -> None:
    """No micro-cluster dies here, so River leaves none of its pairs to a later one."""
    vectors = make_moons(2_000, noise=0.06, random_state=0)[0]
    parameters = MOONS | {"fading_factor": 1e-5}
    ours, river = DBSTREAM(**parameters), river_learned(vectors, **parameters)
    ours.learn_many(vectors)
    places, shared = ours.shared_density()
    ids = ours.micro_ids
    now = dict(zip(zip(ids[places[:, 0]].tolist(), ids[places[:, 1]].tolist(), strict=True), shared, strict=True))
    expected = {
        (i, j): value * 2 ** (-1e-5 * (2_000 - river.s_t[i][j]))
        for i, others in river.s.items() for j, value in others.items() if value > 0
    }  # fmt: skip
    assert now.keys() == expected.keys()
    assert all(now[pair] == pytest.approx(expected[pair], rel=1e-12) for pair in expected)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_moons_and_rings_are_told_apart(seed: int) -> None:
    for vectors, truth, radius in (
        (*make_moons(8_000, noise=0.06, random_state=seed), 0.15),
        (*rings(8_000, seed), 0.25),
    ):
        model = DBSTREAM(radius, 0.001, 50, 0.1, 2.0)
        model.learn_many(vectors)
        labels = model.predict_many(vectors[-2_000:])
        assert (labels < 0).mean() < 0.05
        inside = labels >= 0
        assert adjusted_rand_score(truth[-2_000:][inside], labels[inside]) > 0.95
        heavy = [segment for segment in model.segment_ids.tolist() if (labels == segment).mean() > 0.1]
        assert len(heavy) == 2


def test_who_is_unlike_the_others_is_noise() -> None:
    model = DBSTREAM(1.0, 0.001, 50, minimum_weight=5.0)
    model.learn_many(blobs(CORNERS, 2_000))
    odd = np.array([[4.0, 4.0], [100.0, 0.0]])
    assert model.predict_many(odd).tolist() == [-1, -1]
    assert model.learn_predict_many(odd).tolist() == [-1, -1]
    model.recluster()
    assert model.predict_many(odd).tolist() == [-1, -1]  # one event is too light to be a segment
    assert sorted(model.predict_many(CORNERS).tolist()) == model.segment_ids.tolist()
    assert np.abs(model.centers[model.predict_many(CORNERS)] - CORNERS).max() < 0.5


def test_segments_keep_their_ids_and_begin_and_end_on_record() -> None:
    model = DBSTREAM(1.0, 0.005, 50, minimum_weight=3.0, recluster_every=500)
    model.learn_many(blobs(CORNERS[:2], 2_000))
    first = model.predict_many(CORNERS[:2]).tolist()
    assert model.drain_changes() == [Transition(0, "formed", -1, 16), Transition(1, "formed", -1, 16)]
    model.learn_many(blobs(CORNERS[1:3], 4_000))
    assert model.predict_many(CORNERS[1:2]).tolist() == first[1:]
    causes = {(change.segment_id, change.cause) for change in model.drain_changes()}
    assert causes == {(2, "formed"), (first[0], "faded")}
    model.learn_many(blobs(CORNERS[:1], 4_000))
    assert model.predict_many(CORNERS[:1]).tolist() == [3]  # not 0 again


def test_a_bridge_merges_segments_and_its_end_splits_them() -> None:
    line = np.linspace(0, 8, 33)[:, None] * [1.0, 0.0]
    model = DBSTREAM(1.0, 0.005, 20, intersection_factor=0.1, recluster_every=200)
    model.learn_many(blobs(CORNERS[:2], 1_000))
    assert model.segment_ids.tolist() == [0, 1]
    model.learn_many(blobs(line, 3_000))
    assert len(model.segment_ids) == 1
    merged = [change for change in model.drain_changes() if change.cause == "merged"]
    assert {change.other for change in merged} <= {0, 1}
    assert {change.segment_id for change in merged} & {0, 1}
    model.learn_many(blobs(CORNERS[:2], 4_000))
    assert len(model.segment_ids) == 2
    assert "split" in {change.cause for change in model.changes}
    assert set(model.segment_ids.tolist()) & {0, 1}


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 99), st.lists(st.integers(1, 1_500), max_size=5), st.booleans())
def test_cuts_and_snapshots_change_nothing(seed: int, cuts: list[int], by_pickle: bool) -> None:
    vectors = blobs(np.random.default_rng(seed).normal(size=(9, 3)) * 3, 1_500, 0.4, seed)
    whole, parts = DBSTREAM(0.7, 0.01, 9), DBSTREAM(0.7, 0.01, 9)
    expected = whole.learn_predict_many(vectors)
    got = []
    for block in np.split(vectors, sorted(cuts)):
        got.append(parts.learn_predict_many(block))
        parts = pickle.loads(pickle.dumps(parts)) if by_pickle else DBSTREAM.from_snapshot(parts.snapshot())  # noqa: S301
    assert np.concatenate(got).tolist() == expected.tolist()
    assert parts.snapshot() == whole.snapshot()


def test_memory_is_bounded_and_what_gave_way_is_counted() -> None:
    model = DBSTREAM(0.1, 1e-6, 1_000, max_micro_clusters=50)
    model.learn_many(np.random.default_rng(0).normal(size=(3_000, 4)))
    assert len(model.micro_ids) == 50
    assert model.evicted > 2_800
    size = len(model.snapshot())
    model.learn_many(np.random.default_rng(1).normal(size=(3_000, 4)))
    assert len(model.snapshot()) <= size + 100


def test_a_crowd_of_micro_clusters_around_one_event_finds_room() -> None:
    """Hundreds of pairs at one stroke: more than the table has room for."""
    model = DBSTREAM(1.0, 1e-6, 1_000_000)
    directions = np.linalg.qr(np.random.default_rng(0).normal(size=(90, 90)))[0]
    model.learn_many(np.vstack([directions * 0.95, np.zeros((1, 90))]))
    assert len(model.micro_ids) == 90
    assert len(model.shared_density()[1]) == 90 * 89 // 2


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e200])
def test_what_is_not_finite_changes_nothing(value: float) -> None:
    model = DBSTREAM()
    model.learn_many(CORNERS)
    before = pickle.dumps(model)
    bad = CORNERS.copy()
    bad[2, 1] = value
    for call in (model.learn_many, model.learn_predict_many, model.predict_many):
        with pytest.raises(NotFiniteError, match="row 2, column 1"):
            call(bad)
        with pytest.raises(ShapeError, match="3 columns"):
            call(np.zeros((1, 3)))
    with pytest.raises(NotFiniteError, match="'b' is "):
        model.learn_one({"b": value})
    assert pickle.dumps(model) == before


def test_frames_and_features_that_emerge() -> None:
    model, other = DBSTREAM(), DBSTREAM()
    frame = pd.DataFrame(blobs(CORNERS, 400), columns=["a", "b"])
    labels = model.learn_predict_many(frame)
    assert labels.tolist() == other.learn_predict_many(frame.to_numpy()).tolist()
    assert model.predict_many(frame[["b", "a"]]).tolist() == other.predict_many(frame.to_numpy()).tolist()
    model.learn_one({"a": 8.0, "b": 8.0, "c": 0.1})
    assert model.features == ["a", "b", "c"]
    assert model.micro_centers.shape[1] == 3
    assert model.predict_one({"a": 8.0, "b": 8.0, "unknown": 5.0}) == model.predict_one({"a": 8.0, "b": 8.0})


@pytest.mark.parametrize(
    "parameters",
    [
        {"clustering_threshold": 0.0}, {"fading_factor": 0.0}, {"fading_factor": float("nan")}, {"cleanup_interval": 0},
        {"cleanup_interval": 2.5}, {"intersection_factor": 1.5}, {"minimum_weight": -1.0}, {"recluster_every": 0},
        {"max_micro_clusters": 0},
    ],
)  # fmt: skip
def test_impossible_settings_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be"):
        DBSTREAM(**parameters)


def test_damaged_snapshots_are_refused() -> None:
    model = DBSTREAM()
    model.learn_many(CORNERS)
    for data in (b"", model.snapshot()[:-5], model.snapshot().replace(b"dbstream", b"dbstreaM")):
        with pytest.raises(SnapshotError):
            DBSTREAM.from_snapshot(data)
    model.learn_one({("a", 1): 2.0})
    with pytest.raises(SnapshotError, match="named by text"):
        model.snapshot()


@given(st.integers(1, 12), st.data())
def test_components_are_those_of_a_naive_search(n: int, data: st.DataObject) -> None:
    edges = data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=15))
    found = components(n, np.array([a for a, _ in edges], np.int64), np.array([b for _, b in edges], np.int64))
    expected = list(range(n))
    for _ in range(n):
        for a, b in edges:
            expected[a] = expected[b] = min(expected[a], expected[b])
    assert found.tolist() == expected


def test_a_model_that_forgot_gives_new_ids_to_vectors_of_another_width() -> None:
    model = DBSTREAM(clustering_threshold=1.0, fading_factor=0.001, recluster_every=20)
    model.learn_many(np.array([[0.0, 0.0], [5.0, 5.0]] * 20))
    before = set(model.segment_ids.tolist())
    model.forget()
    assert (model.learned, model.segment_ids.tolist()) == (0, [])
    model.learn_many(np.array([[0.0], [5.0]] * 20))
    assert len(model.segment_ids) == 2
    assert not before & set(model.segment_ids.tolist())
