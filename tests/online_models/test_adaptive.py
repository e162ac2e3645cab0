"""Adaptive k-means: warm-up, swaps, refits, ids that are never used again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models import UNASSIGNED, KMeans
from online_models._kmeans_learning import WARM_UP
from online_models._window import TURN
from online_models.changes import continue_centres


def blobs(centers: np.ndarray, n: int, noise: float = 0.1, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return centers[random.integers(len(centers), size=n)] + random.normal(size=(n, centers.shape[1])) * noise


CORNERS = np.array([[0.0, 0.0], [8.0, 0.0], [0.0, 8.0], [8.0, 8.0]])


def spread(model: KMeans, centers: np.ndarray) -> float:
    return float(np.sqrt(((model.centers[:, None] - centers[None]) ** 2).sum(axis=2)).min(axis=0).max())


def test_unassigned_until_the_warm_up_is_complete() -> None:
    model = KMeans(4, seed=1)
    vectors = blobs(CORNERS, WARM_UP + 10)
    assert (model.predict_many(vectors[:5]) == UNASSIGNED).all()
    assert (model.learn_predict_many(vectors[: WARM_UP - 1]) == UNASSIGNED).all()
    assert not model.ready
    assert model.centers.shape == (0, 2)
    labels = model.learn_predict_many(vectors[WARM_UP - 1 :])
    assert labels[0] == UNASSIGNED
    assert (labels[1:] >= 0).all()
    assert spread(model, CORNERS) < 0.1
    assert [(c.segment_id, c.cause, c.learned) for c in model.drain_changes()] == [
        (i, "warm-up", WARM_UP) for i in range(4)
    ]
    assert model.changes == []
    assert model.inertia_window == pytest.approx(2 * 0.1**2, rel=0.15)


def test_rivers_contract_has_a_label_from_the_start() -> None:
    model = KMeans(2, seed=1)
    assert model.predict_one({"a": 1.0}) == 0
    labels = [model.learn_predict_one({"a": x}) for x in (0.0, 9.0, 1.0, 8.0)]
    assert labels == [0, 0, 0, 1]  # labels before learning: of the first n_clusters distinct vectors so far
    assert model.finish_warmup()
    assert {model.predict_one({"a": 0.5}), model.predict_one({"a": 8.5})} == {0, 1}


def test_finish_warmup_makes_as_many_centres_as_vectors_differ_and_grows_later() -> None:
    model = KMeans(4, seed=1)
    assert not model.finish_warmup()
    model.learn_many(np.repeat(CORNERS[:2], 5, axis=0))
    assert model.finish_warmup()
    assert sorted(model.centers.tolist()) == CORNERS[:2].tolist()
    model.learn_many(blobs(CORNERS, 4 * TURN))
    assert spread(model, CORNERS) < 0.2
    assert [c.cause for c in model.changes] == ["warm-up", "warm-up", "grow", "grow"]
    assert model.segment_ids.tolist() == [0, 1, 2, 3]


def test_a_swap_moves_the_cheapest_centre_and_mints_an_id() -> None:
    init = np.array([[0.0, 0.0], [8.0, 0.0], [8.1, 0.0], [4.0, 8.0]])  # two on one blob, one between two
    model = KMeans(4, init=init, seed=1)
    model.learn_many(blobs(CORNERS, 2 * TURN))
    assert spread(model, CORNERS) < 0.2
    (change,) = model.changes
    assert (change.cause, change.segment_id, change.learned) == ("swap", 4, TURN)
    assert change.retired[0] in {1, 2}
    assert change.inertia_after < 0.98 * change.inertia_before
    assert sorted(model.segment_ids.tolist()) == sorted({0, 1, 2, 3, 4} - set(change.retired))


def test_a_model_that_may_not_swap_says_that_one_would_pay() -> None:
    init = np.array([[0.0, 0.0], [8.0, 0.0], [8.1, 0.0], [4.0, 8.0]])
    model = KMeans(4, init=init, seed=1)
    model.swaps = False
    model.learn_many(blobs(CORNERS, 2 * TURN))
    assert model.restless
    assert (model.changes, model.segment_ids.tolist()) == ([], [0, 1, 2, 3])

    everybody = blobs(CORNERS, 500, seed=3)
    before = model.snapshot()
    assert model.saved_by_refit(everybody) > 0.5
    assert model.snapshot() == before
    model.refit(everybody, "asked")
    assert spread(model, CORNERS) < 0.2
    assert abs(model.saved_by_refit(blobs(CORNERS, 500, seed=4))) < 0.1


def test_a_model_that_may_not_swap_still_grows() -> None:
    model = KMeans(4, seed=1)
    model.swaps = False
    model.learn_many(np.repeat(CORNERS[:2], 5, axis=0))
    model.finish_warmup()
    model.learn_many(blobs(CORNERS, 4 * TURN))
    assert [c.cause for c in model.changes] == ["warm-up", "warm-up", "grow", "grow"]


def test_ids_are_never_used_again() -> None:
    model = KMeans(4, seed=1)
    minted: list[int] = []
    for place in range(6):
        model.learn_many(blobs(CORNERS + 100.0 * place, 3 * TURN, seed=place))
        minted += [change.segment_id for change in model.drain_changes()]
        model = KMeans.from_snapshot(model.snapshot())
    assert minted == list(range(len(minted)))
    assert len(minted) > 4


def test_refit_keeps_the_ids_of_centres_that_go_on() -> None:
    model = KMeans(4, seed=1)
    model.learn_many(blobs(CORNERS, WARM_UP))
    ids = {tuple(np.rint(c)): i for c, i in zip(model.centers, model.segment_ids.tolist(), strict=True)}
    labels = model.predict_many(CORNERS)
    assert model.refit(blobs(CORNERS + 0.05, 500, seed=2), "drift") == []
    assert (model.predict_many(CORNERS) == labels).all()
    moved = CORNERS.copy()
    moved[3] = [20.0, 20.0]
    (change,) = model.refit(blobs(moved, 500, seed=3), "a new place")
    assert (change.cause, change.segment_id, change.retired) == ("a new place", 4, (ids[8.0, 8.0],))
    assert np.allclose(change.centre, moved[3], atol=0.1)
    after = {tuple(np.rint(c)): i for c, i in zip(model.centers, model.segment_ids.tolist(), strict=True)}
    assert all(after[place] == ids[place] for place in after if place != (20.0, 20.0))
    assert model.learned == WARM_UP


def test_refit_of_a_model_that_has_learned_nothing() -> None:
    model = KMeans(4, seed=1)
    assert [c.segment_id for c in model.refit(blobs(CORNERS, 200).astype(np.float32), "first fit")] == [0, 1, 2, 3]
    assert (model.predict_many(CORNERS) >= 0).all()
    assert (model.learn_predict_many(blobs(CORNERS, 50)) >= 0).all()
    with pytest.raises(ValueError, match="at least one"):
        model.refit(np.zeros((0, 2)), "nothing")
    with pytest.raises(ValueError, match="strict"):
        KMeans(2, mode="strict").refit(CORNERS, "no")


def test_one_vector_over_and_over() -> None:
    model = KMeans(3, seed=1)
    model.learn_many(np.ones((5_000, 3)))
    assert model.centers.tolist() == [[1.0, 1.0, 1.0]]
    assert model.inertia_window == 0.0


def test_a_young_centre_moves_as_a_mean_an_old_one_at_the_rate() -> None:
    model = KMeans(1, rate=0.1, init=np.array([[0.0]]))
    model.learn_many(np.array([[6.0], [6.0]]))
    assert model.centers[0, 0] == pytest.approx(4.0)  # the mean of 0, 6 and 6
    model.learn_many(np.full((20, 1), 4.0))
    before = model.centers[0, 0]
    model.learn_many(np.array([[14.0]]))
    assert model.centers[0, 0] == pytest.approx(before + 0.1 * (14.0 - before))


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 99), st.lists(st.integers(1, 3_500), max_size=6), st.booleans())
def test_cuts_copies_and_snapshots_change_nothing(seed: int, cuts: list[int], by_snapshot: bool) -> None:
    vectors = blobs(np.random.default_rng(seed).normal(size=(5, 3)), 7_000, 0.5, seed)
    whole, parts = KMeans(6, seed=seed), KMeans(6, seed=seed)
    expected = whole.learn_predict_many(vectors)
    got = []
    for block in np.split(vectors, sorted(cuts)):
        got.append(parts.learn_predict_many(block))
        if by_snapshot:
            parts = KMeans.from_snapshot(parts.snapshot())
    assert (np.concatenate(got) == expected).all()
    assert parts.centers.tobytes() == whole.centers.tobytes()
    assert parts.segment_ids.tolist() == whole.segment_ids.tolist()
    assert parts.inertia_window == whole.inertia_window


def test_emerging_features_of_an_adaptive_model() -> None:
    model = KMeans(2, seed=1)
    for x in (0.0, 9.0, 0.1, 9.1):
        model.learn_one({"a": x})
    model.finish_warmup()
    model.learn_one({"a": 0.0, "b": 3.0})
    assert model.features == ["a", "b"]
    assert model.centers.shape == (2, 2)
    assert model.predict_one({"c": 5.0}) == model.predict_one({})


def test_continue_centres_takes_the_nearest_within_reach() -> None:
    old = np.array([[0.0], [10.0], [20.0]])
    new = np.array([[10.4], [0.1], [15.0], [30.0]])
    assert continue_centres(old, new, np.array([1.0, 1.0, 1.0, 1.0])) == {1: 0, 0: 1}
    assert continue_centres(old, new, np.array([0.3, 1.0, 1.0, 20.0])) == {1: 0}
    assert continue_centres(np.zeros((0, 1)), new, np.ones(4)) == {}
    assert continue_centres(old[:1], new[:0], np.ones(0)) == {}
