"""Strict k-means is River's, bit for bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import cluster

from online_models import KMeans, _distances
from online_models._arrays import aligned


def river_centers(model: Any, features: list[Any]) -> np.ndarray:
    return np.array([[model.centers[c][f] for f in features] for c in model.centers])


def river_from(centers: np.ndarray, rate: float) -> Any:
    model = cluster.KMeans(n_clusters=len(centers), halflife=rate, seed=0)
    for c, centre in enumerate(centers.tolist()):
        model.centers[c].update(enumerate(centre))
    return model


@st.composite
def streams(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, float]:
    k, d, n = draw(st.integers(1, 20)), draw(st.integers(1, 40)), draw(st.integers(1, 60))
    rate = draw(st.sampled_from([0.01, 0.1, 0.3, 0.5, 1.0]) | st.floats(1e-6, 1.0))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["normal", "grid", "offset", "huge", "tiny"]))
    if kind == "grid":  # ties everywhere, duplicate centres included
        return random.integers(-1, 2, (k, d)) / 10, random.integers(-1, 2, (n, d)) / 10, rate
    scale, shift = {"normal": (1.0, 0.0), "offset": (1e-7, 1e6), "huge": (1e140, 0.0), "tiny": (1e-160, 0.0)}[kind]
    return random.normal(size=(k, d)) * scale + shift, random.normal(size=(n, d)) * scale + shift, rate


@settings(max_examples=100, deadline=None)
@given(streams())
def test_same_centres_same_labels_same_bits(stream: tuple[np.ndarray, np.ndarray, float]) -> None:
    init, vectors, rate = stream
    river = river_from(init, rate)
    ours = KMeans(len(init), rate, "strict", init)
    expected = [river.learn_predict_one(dict(enumerate(v))) for v in vectors.tolist()]
    assert ours.learn_predict_many(vectors).tolist() == expected
    assert ours.centers.tobytes() == river_centers(river, list(range(vectors.shape[1]))).tobytes()
    assert ours.predict_many(vectors).tolist() == [river.predict_one(dict(enumerate(v))) for v in vectors.tolist()]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a", "b", "price", 3, ("x", 1)]), st.integers(-3, 3) | st.floats(-9, 9)),
        max_size=25,
    ),
    st.integers(1, 6),
    st.integers(0, 99),
)
def test_dicts_with_features_that_come_and_go(rows: list[dict[Any, float]], k: int, seed: int) -> None:
    """River learns only through learn_predict_one here: its predict_one would leave traces that ours doesn't."""
    river, ours = cluster.KMeans(k, halflife=0.3, seed=seed), KMeans(k, 0.3, "strict", seed=seed)
    for row in rows:
        predicted = ours.predict_one(row)
        label = river.learn_predict_one(row)
        assert (predicted, ours.learn_predict_one(row)) == (label, label)
    assert ours.centers.tobytes() == river_centers(river, ours.features).tobytes()


def test_arrays_draw_the_centres_river_draws() -> None:
    vectors = np.random.default_rng(1).normal(size=(50, 7))
    river, ours = cluster.KMeans(4, halflife=0.2, seed=3), KMeans(4, 0.2, "strict", seed=3)
    fresh = ours.predict_many(vectors[:1])
    expected = [river.learn_predict_one(dict(enumerate(v))) for v in vectors.tolist()]
    assert [*fresh, *ours.learn_predict_many(vectors)] == [expected[0], *expected]
    assert ours.centers.tobytes() == river_centers(river, list(range(7))).tobytes()
    assert ours.segment_ids.tolist() == [0, 1, 2, 3]


def test_float32_is_learned_as_the_same_numbers_in_float64() -> None:
    vectors = np.random.default_rng(2).normal(size=(300, 9)).astype(np.float32)
    init = vectors[:5].astype(np.float64)
    single, double = KMeans(5, 0.1, "strict", init), KMeans(5, 0.1, "strict", init)
    assert single.learn_predict_many(vectors).tolist() == double.learn_predict_many(vectors.astype(np.float64)).tolist()
    assert single.centers.tobytes() == double.centers.tobytes()


def test_rounding_decides_as_river_rounds() -> None:
    """Permuted coordinates: equal distances in exact arithmetic, told apart (or not) only by the order of the sum."""
    random = np.random.default_rng(5)
    first = random.normal(size=(200, 12))
    for centre in first:
        centers = np.array([centre, random.permutation(centre), random.permutation(centre)])
        river = river_from(centers, 0.5)
        ours = KMeans(3, 0.5, "strict", centers)
        assert ours.predict_many(np.zeros((1, 12)))[0] == river.predict_one(dict.fromkeys(range(12), 0.0))


@settings(deadline=None)
@given(st.integers(1, 21), st.integers(1, 19), st.integers(0, 99), st.booleans())
def test_which_centres_may_be_nearest(k: int, d: int, seed: int, ties: bool) -> None:
    """For any k and d: the two least scores are those of all, and the only centre near is found, unless more are."""
    random = np.random.default_rng(seed)
    x, centers, scores = random.normal(size=d), random.normal(size=(k, d)), np.full(k, np.nan)
    if ties:
        centers[random.integers(k)] = centers[random.integers(k)]
    least, second, nearest = _distances.score(x, centers, scores)
    expected = ((x - centers) ** 2).sum(axis=1)
    assert scores == pytest.approx(expected, rel=1e-14)
    assert [least, second] == np.sort([*scores, np.inf])[:2].tolist()
    assert scores[nearest] == least
    limit = _distances.reach(least, d)
    near = np.flatnonzero(scores <= limit)
    assert least < limit < least * (1 + 1e-13)
    assert (second > limit) == (len(near) == 1)
    assert _distances.only_within(scores, limit) == (near[0] if len(near) == 1 else -1)


@pytest.mark.parametrize("begin", range(0, 64, 8))
def test_an_array_is_aligned_wherever_it_began(begin: int) -> None:
    numbers = np.random.default_rng(4).normal(size=(4, 6))
    array = np.zeros(numbers.size + 8)[begin // 8 : begin // 8 + numbers.size].reshape(4, 6)
    array[:] = numbers
    found = aligned(array)
    assert found.ctypes.data % 64 == 0
    np.testing.assert_array_equal(found, numbers)
    assert aligned(found) is found
    np.testing.assert_array_equal(aligned(np.asfortranarray(numbers)), numbers)


def test_centres_are_learned_where_a_cache_line_begins() -> None:
    vectors = np.random.default_rng(4).normal(size=(500, 6))
    ours, river = KMeans(4, 0.2, "strict", vectors[:4]), river_from(vectors[:4], 0.2)
    assert ours.learn_predict_many(vectors).tolist() == [river.learn_predict_one(dict(enumerate(x))) for x in vectors]
    assert ours._centers.ctypes.data % 64 == 0


def neumaier(terms: list[float]) -> float:
    """Sum as Python's own sum() does from 3.12 on (bltinmodule.c)."""
    total = lost = 0.0
    for term in terms:
        t = total + term
        lost += (total - t) + term if abs(total) >= abs(term) else (term - t) + total
        total = t
    return total + lost if lost and math.isfinite(lost) else total


@pytest.mark.parametrize("compensated", [False, True])
def test_distance_in_both_of_pythons_ways_to_sum(compensated: bool) -> None:
    random = np.random.default_rng(6)
    for _ in range(200):
        x, centre = random.normal(size=(2, 30)) * 10.0 ** random.integers(-8, 8, 30)
        order = random.permutation(30)
        terms = [abs(centre[j] - x[j]) ** 2 for j in order.tolist()]
        expected = neumaier([float(t) for t in terms]) if compensated else plain_sum(x, centre, order)
        assert _distances.river_distance(x, centre, order, 2.0, compensated) == expected


def plain_sum(x: np.ndarray, centre: np.ndarray, order: np.ndarray) -> float:
    total = 0.0
    for j in order.tolist():
        total += abs(float(centre[j]) - float(x[j])) ** 2
    return total
