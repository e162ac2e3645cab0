"""The blocked loops label and move exactly as the plain ones do, however close centres lie or far they move."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models import KMeans, _learning
from online_models._arrays import read_only
from online_models._distances import POWER

from .test_strict import river_centers, river_from, streams

Learned = tuple[list[int], bytes, list[int], bytes]


def learned(kernel: Callable[..., None], init: np.ndarray, vectors: np.ndarray, rate: float, adaptive: bool) -> Learned:
    centers, counts, labels = init.copy(), np.zeros(len(init), np.int64), np.zeros(len(vectors), np.int64)
    window, inertias = np.zeros((7, init.shape[1])), np.zeros(7)
    order, rates = np.arange(init.shape[1]), np.full(len(init), rate)
    kernel(read_only(vectors), centers, counts, order, POWER, rates, adaptive, window, inertias, 3, labels)
    return labels.tolist(), centers.tobytes(), counts.tolist(), window.tobytes()


@settings(max_examples=150, deadline=None)
@given(streams(), st.booleans())
def test_the_blocked_loop_is_the_plain_loop(stream: tuple[np.ndarray, np.ndarray, float], adaptive: bool) -> None:
    init, vectors, rate = stream
    vectors = np.vstack([vectors, vectors[::-1]])
    expected = learned(_learning.learn_rows, init, vectors, rate, adaptive)
    assert learned(_learning.learn_blocked, init, vectors, rate, adaptive) == expected
    plain, blocked = np.zeros((2, len(vectors)), np.int64)
    _learning.predict_rows(read_only(vectors), init, np.arange(init.shape[1]), POWER, plain)
    _learning.predict_blocked(read_only(vectors), init, np.arange(init.shape[1]), POWER, blocked)
    assert blocked.tolist() == plain.tolist()


@pytest.mark.parametrize("kind", ["apart", "ties"])
def test_at_the_size_where_it_is_used_it_is_rivers(kind: str) -> None:
    random = np.random.default_rng(4)
    init, vectors = random.normal(size=(32, 256)), random.normal(size=(70, 256))
    if kind == "ties":
        init, vectors = np.rint(init[:, :1]) * np.ones(256), np.rint(vectors)
    assert _learning.blocked_pays(init)
    river, ours = river_from(init, 0.05), KMeans(32, 0.05, "strict", init)
    expected = [river.learn_predict_one(dict(enumerate(v))) for v in vectors.tolist()]
    assert ours.learn_predict_many(vectors).tolist() == expected
    assert ours.centers.tobytes() == river_centers(river, list(range(256))).tobytes()


def test_cuts_between_blocks_leave_the_inertia_as_it_is() -> None:
    random = np.random.default_rng(5)
    init, vectors = random.normal(size=(32, 256)), random.normal(size=(150, 256)).astype(np.float32)
    whole, parts = KMeans(32, 0.05, init=init), KMeans(32, 0.05, init=init)
    expected = whole.learn_predict_many(vectors).tolist()
    labels = [parts.learn_predict_many(part) for part in np.split(vectors, [1, 40, 41, 99])]
    assert np.concatenate(labels).tolist() == expected
    assert parts.inertia_window == whole.inertia_window
    assert parts.predict_many(vectors).tolist() == [int(parts.predict_many(v[None])[0]) for v in vectors]
