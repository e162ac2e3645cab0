"""The same segments in another space: ids stay with their people, what was learned of the old space is gone."""

from __future__ import annotations

import numpy as np
import pytest

from online_models import KMeans
from online_models.errors import ShapeError


def test_segments_keep_their_people_in_a_wider_space() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(3, size=900)
    narrow = np.eye(3)[truth] * 6 + random.normal(size=(900, 3)) * 0.3
    # In the new space each group lies elsewhere, nearer to where another one was.
    wide = np.hstack([np.roll(np.eye(3), 1, axis=1)[truth] * 6, np.ones((900, 4))]) + random.normal(size=(900, 7)) * 0.3
    model = KMeans(3, seed=1)
    model.refit(narrow, "first fit")
    before, next_id = model.predict_many(narrow), max(model.segment_ids) + 1

    model.translate(np.array([wide[before == segment].mean(axis=0) for segment in model.segment_ids]))
    model.refit(wide, "another space")
    model.learn_many(wide)

    np.testing.assert_array_equal(model.predict_many(wide), before)
    assert max(model.segment_ids) < next_id, "nothing was minted, for nobody left"
    assert KMeans.from_snapshot(model.snapshot()).centers.shape == (3, 7)


def test_what_doesnt_fit_is_refused() -> None:
    model = KMeans(2, seed=1)
    model.refit(np.array([[0.0], [1.0], [5.0], [6.0]]), "first fit")

    with pytest.raises(ShapeError, match="3 centres for 2 segments"):
        model.translate(np.zeros((3, 4)))
    with pytest.raises(ValueError, match="keeps its space"):
        KMeans(2, mode="strict", seed=1).translate(np.zeros((2, 4)))
