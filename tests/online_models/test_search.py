"""Lloyd's rounds, cuts and moves on a window, against plain numpy; when looks are taken; rates that follow drift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models import KMeans, _snapshots
from online_models._lloyd import centred, lloyd, split, two_nearest
from online_models._looks import RAREST, Looks
from online_models._search import improve
from online_models._window import TURN, WINDOW

shapes = st.tuples(st.integers(0, 999), st.integers(1, 70), st.integers(1, 9), st.integers(1, 7))


def squared(X: np.ndarray, C: np.ndarray) -> np.ndarray:
    return ((X[:, None] - C[None]) ** 2).sum(axis=2)


@settings(max_examples=60, deadline=None)
@given(shapes)
def test_two_nearest_and_lloyd_are_what_numpy_says(shape: tuple[int, int, int, int]) -> None:
    seed, n, k, d = shape
    random = np.random.default_rng(seed)
    X, _ = centred(random.normal(size=(n, d)) + 5.0)
    C = random.normal(size=(k, d))
    labels, first, second = np.empty(n, np.int64), np.empty(n), np.empty(n)
    total = two_nearest(X, C, labels, first, second)
    ranked = np.sort(np.hstack([squared(X, C), np.full((n, 1), np.inf)]), axis=1)
    assert np.allclose(first, ranked[:, 0], atol=1e-9)
    assert np.allclose(second[k > 1 :], ranked[k > 1 :, 1], atol=1e-9)
    assert (labels == squared(X, C).argmin(axis=1)).all()
    assert total == pytest.approx(first.sum())
    expected = C.copy()
    for _ in range(2):
        near = squared(X, expected).argmin(axis=1)
        for c in set(near.tolist()):
            expected[c] = X[near == c].mean(axis=0)
    inertia, counts = lloyd(X, C, 2, -np.inf, False, labels, first, second)
    assert np.allclose(C, expected)
    assert inertia == pytest.approx(squared(X, expected).min(axis=1).sum())
    assert counts.tolist() == np.bincount(labels, minlength=k).tolist()


@settings(max_examples=40, deadline=None)
@given(shapes)
def test_a_cut_gains_what_it_says(shape: tuple[int, int, int, int]) -> None:
    seed, n, _, d = shape
    X = np.random.default_rng(seed).normal(size=(n, d))
    members, halves = np.arange(n)[::2].copy(), np.zeros((2, d))
    gain = split(X, members, halves)
    if len(members) < 2:
        assert gain == 0.0
        return
    whole = squared(X[members], X[members].mean(axis=0)[None]).sum()
    assert 0 < gain <= whole * (1 + 1e-9)
    # the means given are those of two parts, and nearest-half labels do at least as well as those parts
    assert squared(X[members], halves).min(axis=1).sum() <= whole - gain + 1e-9 * whole


def test_vectors_in_one_place_cannot_be_cut() -> None:
    halves = np.zeros((2, 3))
    assert split(np.ones((9, 3)), np.arange(9), halves) == 0.0


def test_a_move_needs_more_than_one_outlier() -> None:
    random = np.random.default_rng(0)
    blobs = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])
    window = blobs[random.integers(3, size=3_000)] + random.normal(size=(3_000, 2)) * 0.5
    window[7] = [300.0, 300.0]  # a centre of its own would save nine tenths of the inertia
    better = improve(window, blobs, 3, np.full(3, 100.0))
    assert better.moves == []
    assert np.allclose(better.centers, blobs, atol=0.3)


def test_the_larger_half_keeps_its_place() -> None:
    random = np.random.default_rng(1)
    blobs = np.array([[0.0], [10.0], [40.0]])
    window = blobs[random.choice(3, size=2_000, p=[0.6, 0.3, 0.1])] + random.normal(size=(2_000, 1)) * 0.3
    better = improve(window, np.array([[3.0], [39.0], [41.0]]), 3, np.full(3, 100.0))
    (move,) = better.moves
    assert move.beside == 0
    assert better.centers[0, 0] == pytest.approx(0.0, abs=0.2)
    assert better.centers[move.place, 0] == pytest.approx(10.0, abs=0.2)
    assert move.after < move.before


def test_looks_become_rare_and_come_back() -> None:
    looks, calm, worse = Looks(), np.ones(TURN) + np.arange(TURN) % 2, np.full(TURN, 2.5)
    assert looks.due(calm, drifts=False)
    turns = []
    for _ in range(5):
        looks.done(calm, moved=False)
        turns.append(1)
        while not looks.due(calm, drifts=False):
            turns[-1] += 1
    assert turns == [1, 2, 4, RAREST, RAREST]
    looks.done(calm, moved=False)
    assert looks.due(worse, drifts=False)
    looks.done(calm, moved=False)
    assert looks.due(calm, drifts=True)
    looks.done(calm, moved=True)
    assert looks.due(calm, drifts=False)


def test_a_centre_that_drifts_moves_faster_and_lies_less_far_behind() -> None:
    random = np.random.default_rng(2)
    n = 8 * TURN
    still, moving = np.zeros((n, 4)), np.zeros((n, 4))
    moving[:, 0] = 40.0 + np.arange(n) * 4e-3
    labels = random.integers(2, size=n)
    stream = np.where(labels[:, None] == 0, still, moving) + random.normal(size=(n, 4))
    model = KMeans(2, rate=0.01, seed=1)
    model.learn_many(stream)
    place = int(np.argmax(model.centers[:, 0]))
    behind = moving[-1, 0] - model.centers[place, 0]
    assert 0 < behind < 0.4  # at .01 it would be 100 of its vectors, or .8, behind
    assert abs(model.centers[1 - place, 0]) < 0.3


def test_a_snapshot_of_version_1_goes_on() -> None:
    random = np.random.default_rng(3)
    stream = random.normal(size=(2 * TURN + 300, 3))
    model = KMeans(4, seed=1)
    model.learn_many(stream)
    _, values = _snapshots.decode("kmeans", range(1, 3), model.snapshot())
    at = np.arange(model.learned - TURN, model.learned) % TURN
    ring, squares = np.zeros((TURN, 3)), np.zeros(TURN)
    ring[at], squares[at] = values["window"][-TURN:], values["inertias"]
    old = {name: value for name, value in values.items() if name not in {"pace", "looks"}}
    old |= {"filled": TURN, "window": ring, "inertias": squares}
    again = KMeans.from_snapshot(_snapshots.encode("kmeans", 1, old))
    assert again.centers.tobytes() == model.centers.tobytes()
    assert again.inertia_window == model.inertia_window
    again.learn_many(random.normal(size=(WINDOW, 3)))
    assert again.learned == len(stream) + WINDOW
