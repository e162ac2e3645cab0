"""Labels hold: smoothing and margin against a naive oracle, and what happens around restores and lost ids."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models import UNASSIGNED, KMeans, NotFiniteError, ShapeError, Stabiliser

LINE = np.array([[0.0], [10.0]])


def oracle(rows: list[int], vectors: np.ndarray, centers: np.ndarray, alpha: float, margin: float) -> list[int]:
    smooth: dict[int, np.ndarray] = {}
    label: dict[int, int] = {}
    out = []
    for row, vector in zip(rows, vectors.astype(np.float32), strict=True):
        seen = smooth.get(row)
        smooth[row] = vector if seen is None else (seen + alpha * (vector.astype(float) - seen)).astype(np.float32)
        distances = ((centers - smooth[row]) ** 2).sum(axis=1)
        best = int(distances.argmin())
        if row not in label or distances[best] <= (1 - margin) * distances[label[row]]:
            label[row] = best
        out.append(label[row])
    return out


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.sampled_from([(0.3, 0.1), (1.0, 0.0), (0.05, 0.5)]))
def test_equals_the_naive_way_in_one_block_and_in_many(seed: int, n: int, how: tuple[float, float]) -> None:
    random = np.random.default_rng(seed)
    rows, vectors, centers = random.integers(0, 9, n), random.normal(size=(n, 3)), random.normal(size=(4, 3))
    model = KMeans(4, init=centers)
    whole, single = Stabiliser(*how), Stabiliser(*how)
    expected = oracle(rows.tolist(), vectors, centers, *how)
    assert whole.assign(rows, vectors, model).tolist() == expected
    one_by_one = [single.assign(rows[i : i + 1], vectors[i : i + 1], model)[0] for i in range(n)]
    assert one_by_one == expected
    assert single.labels[rows].tolist() == whole.labels[rows].tolist()


def test_a_switch_needs_a_tenth_less_squared_distance() -> None:
    model, people = KMeans(2, init=LINE), Stabiliser(alpha=1.0)
    people.seed_labels([0], [0])
    barely, clearly = (
        5.0 + 0.1,
        5.0 + 0.2,
    )  # squared distances 24.01 against 26.01 (7.7 %), 23.04 against 27.04 (14.8 %)
    assert people.assign([0, 0, 0, 0], [[barely], [clearly], [barely], [5.0 - 0.1]], model).tolist() == [0, 1, 1, 1]


def test_an_id_the_model_has_lost_is_decided_anew_without_margin() -> None:
    model, people = KMeans(2, init=LINE), Stabiliser()
    people.seed_labels(np.array([2, 0]), np.array([77, 1]))
    assert people.labels[:3].tolist() == [1, UNASSIGNED, 77]
    assert people.assign(np.array([2, 0]), np.array([[5.1], [4.9]]), model).tolist() == [1, 1]


def test_labels_are_segment_ids_and_stay_while_there_is_no_model() -> None:
    model, people = KMeans(2, seed=0), Stabiliser()
    people.seed_labels([1], [5])
    assert people.assign([0, 1], [[1.0], [9.0]], model).tolist() == [UNASSIGNED, 5]
    model.refit(np.array([[1.0], [9.0]]), "first fit")
    model.refit(np.array([[101.0], [109.0]]), "elsewhere")
    assert set(people.assign([0, 1], [[100.0], [300.0]], model).tolist()) <= {2, 3}


def test_smoothed_vectors_can_be_kept_and_given_back() -> None:
    model, people, restored = KMeans(2, init=LINE), Stabiliser(), Stabiliser()
    people.assign([0, 0, 1], [[0.0], [10.0], [4.0]], model)
    assert people.vectors([0, 1]).tolist() == [[3.0], [4.0]]
    restored.seed_labels([0, 1], people.labels[[0, 1]], people.vectors([0, 1]))
    more = ([0, 1, 0], [[9.0], [9.0], [9.0]], model)
    assert restored.assign(*more).tolist() == people.assign(*more).tolist()


def test_forgotten_rows_start_again_and_room_grows() -> None:
    model, people = KMeans(2, init=LINE), Stabiliser()
    people.assign([0, 3], [[0.0], [10.0]], model)
    assert len(people) == 4
    assert np.isnan(people.vectors([1])).all()
    people.forget([3])
    assert people.labels[3] == UNASSIGNED
    assert people.assign([3], [[1.0]], model).tolist() == [0]
    assert people.vectors([3]).tolist() == [[1.0]]
    people.resize(1000)
    assert len(people) == 1000
    people.resize(10)
    assert len(people) == 1000
    assert people.labels[0] == 0


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), max_size=5))
def test_totals_of_groups_are_the_sums_of_their_rows_vectors(groups: list[list[int]]) -> None:
    people = Stabiliser()
    people.assign([0, 1, 3, 0, 5], np.arange(10.0).reshape(5, 2), KMeans(2, init=np.zeros((2, 2))))
    rows = [row for group in groups for row in group]
    starts = np.cumsum([0, *map(len, groups)])[:-1]

    totals, counted = people.totals(np.array(rows, np.int64), starts)

    for group, total, number in zip(groups, totals, counted, strict=True):
        vectors = people.vectors(group)[np.isin(group, [0, 1, 3, 5])]
        assert total.tolist() == vectors.sum(axis=0, dtype=np.float64).tolist()
        assert number == len(vectors)


def test_bad_rows_and_vectors_change_nothing() -> None:
    model, people = KMeans(2, init=LINE), Stabiliser()
    people.assign([0], [[1.0]], model)
    for value in (np.nan, np.inf, 1e39):
        with pytest.raises(NotFiniteError, match="row 1, column 0"):
            people.assign([0, 1], np.array([[9.0], [value]]), model)
    for rows, vectors in (([0, 1], [[1.0]]), ([-1], [[1.0]]), ([0.5], [[1.0]]), ([0], [[1.0, 2.0]])):
        with pytest.raises(ShapeError):
            people.assign(rows, vectors, model)
    with pytest.raises(ShapeError, match="row 8 is unknown"):
        people.forget([8])
    with pytest.raises(ShapeError, match="labels of shape"):
        people.seed_labels([0, 1], [3])
    with pytest.raises(ShapeError, match="the model's centres"):
        Stabiliser().assign([0], [[1.0, 2.0]], model)
    assert (people.vectors([0]).tolist(), len(people)) == ([[1.0]], 1)
    assert people.assign(np.zeros(0, np.int64), np.zeros((0, 1)), model).tolist() == []


def test_labels_by_a_prediction_follow_the_smoothed_vector() -> None:
    people = Stabiliser(alpha=0.5)

    def side(points: np.ndarray) -> np.ndarray:
        return (points[:, 0] > 5.0).astype(np.int64) - 1

    assert people.assign_by([0, 3], [[0.0], [9.0]], side).tolist() == [-1, 0]
    assert people.assign_by([0, 3], [[10.0], [0.0]], side).tolist() == [-1, -1]  # both at 5 and below
    assert people.assign_by([0], [[10.0]], side).tolist() == [0]
    assert people.labels[[0, 3]].tolist() == [0, -1]
    assert people.assign_by([], np.zeros((0, 1)), side).tolist() == []
    with pytest.raises(ShapeError, match="more than once"):
        people.assign_by([0, 0], [[1.0], [2.0]], side)
