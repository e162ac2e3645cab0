"""The scaler equals River's on complete data; what is missing is counted and becomes the mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import preprocessing

from online_models import NotFiniteError, ShapeError, StandardScaler


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 120), st.integers(1, 6), st.sampled_from([0.0, 1e3]))
def test_equals_river_on_complete_data(seed: int, n: int, d: int, shift: float) -> None:
    vectors = np.random.default_rng(seed).normal(size=(n, d)) * 3 + shift
    river, ours = preprocessing.StandardScaler(), StandardScaler()
    for row in vectors.tolist():
        river.learn_one(dict(enumerate(row)))
    ours.learn_many(vectors)
    expected = [list(river.transform_one(dict(enumerate(row))).values()) for row in vectors.tolist()]
    np.testing.assert_allclose(ours.transform_many(vectors), expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(ours.mean, vectors.mean(axis=0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.var, vectors.var(axis=0), rtol=1e-9, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 60), max_size=5))
def test_cuts_and_snapshots_change_no_bit(seed: int, cuts: list[int]) -> None:
    random = np.random.default_rng(seed)
    vectors = np.where(random.random((60, 4)) < 0.2, np.nan, random.normal(size=(60, 4)))
    whole, parts = StandardScaler(), StandardScaler()
    whole.learn_many(vectors)
    for block in np.split(vectors, sorted(cuts)):
        parts.learn_many(block)
        parts = StandardScaler.from_snapshot(parts.snapshot())
    assert parts.snapshot() == whole.snapshot()


def test_missing_is_counted_not_learned_and_becomes_the_mean() -> None:
    scaler = StandardScaler()
    scaler.learn_many(np.array([[1.0, np.nan, np.nan], [np.nan, 4.0, np.nan], [3.0, 8.0, np.nan]], np.float32))
    assert scaler.missing.tolist() == [1, 1, 3]
    assert scaler.counts.tolist() == [2, 2, 0]
    assert scaler.mean.tolist() == [2.0, 6.0, 0.0]
    assert scaler.var.tolist() == [1.0, 4.0, 0.0]
    out = scaler.transform_many(np.array([[np.nan, 10.0, 5.0]], np.float32))
    assert (out.tolist(), out.dtype) == ([[0.0, 2.0, 0.0]], np.float32)


def test_constant_columns_and_a_fresh_scaler_give_zero() -> None:
    scaler = StandardScaler()
    assert scaler.transform_many(np.array([[3.0, np.nan]])).tolist() == [[0.0, 0.0]]
    scaler.learn_many(np.full((1000, 2), 0.1))
    assert scaler.transform_many(np.array([[0.1, 7.0]])).tolist() == [[0.0, 0.0]]


def test_infinity_and_other_shapes_change_nothing() -> None:
    scaler = StandardScaler()
    scaler.learn_many(np.arange(6.0).reshape(3, 2))
    before = scaler.snapshot()
    for call in (scaler.learn_many, scaler.transform_many):
        with pytest.raises(NotFiniteError, match="row 1, column 0 is -inf"):
            call(np.array([[1.0, 2.0], [-np.inf, 0.0]]))
        with pytest.raises(ShapeError, match="3 columns"):
            call(np.zeros((1, 3)))
    assert scaler.snapshot() == before


def test_moments_merge_as_if_one_had_learned_all_rows() -> None:
    rows = np.random.default_rng(0).normal(5, 3, (90, 3))
    rows[::7, 1] = np.nan
    whole, merged = StandardScaler(), StandardScaler()
    whole.learn_many(rows)
    for part in (rows[:0], rows[:10], rows[10:70], rows[70:]):
        one = StandardScaler()
        one.learn_many(part)
        merged.merge(one)
    assert merged.counts.tolist() == whole.counts.tolist()
    assert merged.missing.tolist() == whole.missing.tolist()
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(merged.var, whole.var, rtol=1e-12)
    other = StandardScaler()
    other.learn_many(np.zeros((1, 2)))
    with pytest.raises(ShapeError, match="2 columns"):
        merged.merge(other)
