"""Several learners and a merger are as good as one learner; updates that are lost, late or repeated do no harm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online_models import LocalLearner, Merger, NotFiniteError, ShapeError, SharedModel, SnapshotError, Update
from online_models.sharing import SAMPLE, merge_centres, retention
from tests.bench.bench_sharing import drifting, prequential

from .test_adaptive import CORNERS, blobs


def start(centers: np.ndarray = CORNERS, count: int = 1_000, rate: float = 0.01) -> SharedModel:
    k = len(centers)
    return SharedModel(1, centers.astype(float), np.full(k, count), np.arange(k), rate)


@pytest.mark.parametrize("seed", [0, 2])
def test_1_2_4_and_8_learners_are_as_good_as_one(seed: int) -> None:
    vectors = drifting(seed, 62_000)
    errors = {learners: prequential(vectors, learners) for learners in (1, 2, 4, 8)}
    assert max(errors.values()) <= 1.05 * errors[1]
    assert prequential(vectors, 8, add_deltas=True) > 1.5 * errors[8]  # the warning


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 999), st.integers(0, 300), st.sampled_from([0.01, 0.1, 0.5]), st.integers(1, 400))
def test_what_is_left_of_a_centre_is_the_product_of_its_steps(seed: int, had: int, rate: float, n: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(n, 2))
    learner = LocalLearner("a", start(np.zeros((1, 2)), had, rate))
    learner.learn_predict_many(vectors)
    steps = np.maximum(1 / (had + 1 + np.arange(n)), rate)
    left = np.append(np.cumprod((1 - steps)[::-1])[::-1][1:], 1.0)
    assert retention(n, had, rate) == pytest.approx(np.prod(1 - steps), rel=1e-9, abs=1e-300)
    np.testing.assert_allclose(learner.centers[0], (vectors * (steps * left)[:, None]).sum(axis=0), atol=1e-9)


def test_one_learner_gets_back_what_it_shipped() -> None:
    learner, merger = LocalLearner("a", start()), Merger(start())
    learner.learn_predict_many(blobs(CORNERS, 3_000))
    before = learner.centers
    merger.receive(learner.update())
    assert learner.adopt(merger.merge())
    np.testing.assert_allclose(learner.centers, before, atol=1e-9)
    assert (learner.pending, learner.version) == (0, 2)


def test_young_centres_become_the_mean_of_all_that_all_saw() -> None:
    base = start(np.zeros((1, 3)), 0)
    vectors = np.random.default_rng(0).normal(size=(80, 3))
    counts, centers = [], []
    for part in np.split(vectors, [10, 15, 60]):
        learner = LocalLearner("x", base)
        learner.learn_predict_many(part)
        counts.append([len(part)])
        centers.append(learner.centers)
    merged, learned = merge_centres(base, counts, centers)
    np.testing.assert_allclose(merged[0], vectors.mean(axis=0), atol=1e-12)
    assert learned.tolist() == [80]


def test_a_centre_nobody_saw_stays_where_it_is() -> None:
    base = start()
    learner = LocalLearner("a", base)
    learner.learn_predict_many(np.tile(CORNERS[:1] + 1.0, (50, 1)))
    merged, learned = merge_centres(base, [learner.update().counts], [learner.centers])
    assert merged[1:].tolist() == CORNERS[1:].tolist()
    assert learned.tolist() == [1_050, 1_000, 1_000, 1_000]


def follow(place: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    for vector in vectors:
        place = place + 0.01 * (vector - place)
    return place


@pytest.mark.parametrize("lost", [False, True])
def test_what_is_in_flight_is_carried_over(lost: bool) -> None:
    """After a newer model comes, a learner stands where the model says, moved by what the model doesn't know."""
    base = start(np.zeros((1, 2)))
    random = np.random.default_rng(1)
    first, second, others = random.normal(size=(3, 40, 2)) + 3.0
    learner, other, merger = LocalLearner("a", base), LocalLearner("b", base), Merger(base)
    learner.learn_predict_many(first)
    shipped = learner.update()
    other.learn_predict_many(others)
    merger.receive(other.update())
    if not lost:
        merger.receive(shipped)
    learner.learn_predict_many(second)  # while the update is under way
    model = merger.merge()
    assert learner.adopt(model)
    unknown = np.vstack([first, second]) if lost else second
    np.testing.assert_allclose(learner.centers[0], follow(model.centers[0], unknown), atol=1e-12)
    assert learner.pending == len(unknown)
    assert merger.receive(shipped) == ("wrong base" if lost else "repeat")
    assert merger.receive(learner.update()) == "taken"
    final = merger.merge()
    np.testing.assert_allclose(final.centers[0], follow(model.centers[0], unknown), atol=1e-12)


def test_a_newer_update_replaces_the_one_before_and_repeats_are_dropped() -> None:
    learner, merger = LocalLearner("a", start()), Merger(start())
    learner.learn_predict_many(blobs(CORNERS, 100))
    first = learner.update()
    learner.learn_predict_many(blobs(CORNERS, 100, seed=1))
    second = learner.update()
    assert [merger.receive(u) for u in (first, second, second, first)] == ["taken", "taken", "repeat", "repeat"]
    model = merger.merge()
    assert model.counts.sum() == 4_200
    assert merger.receive(second) == "repeat"
    assert learner.adopt(model)
    assert learner.pending == 0
    assert merger.outcomes == {"taken": 2, "repeat": 3, "wrong base": 0, "misfit": 0}


def test_a_dead_merger_changes_nothing_but_staleness() -> None:
    learner, alone = LocalLearner("a", start()), LocalLearner("a", start())
    for seed in range(5):
        vectors = blobs(CORNERS, 200, seed=seed)
        assert learner.learn_predict_many(vectors).tolist() == alone.learn_predict_many(vectors).tolist()
        learner.update()
    assert learner.centers.tobytes() == alone.centers.tobytes()
    assert not learner.adopt(start())


def test_versions_missed_are_made_up_for() -> None:
    base = start()
    sleeper, other, merger = LocalLearner("a", base), LocalLearner("b", base), Merger(base)
    sleeper.learn_predict_many(blobs(CORNERS, 400))
    merger.receive(sleeper.update())
    for seed in range(3):
        other.learn_predict_many(blobs(CORNERS + 1.0, 400, seed=seed))
        merger.receive(other.update())
        other.adopt(merger.merge())
    assert sleeper.adopt(merger.model)
    assert (sleeper.version, sleeper.pending) == (4, 0)
    np.testing.assert_allclose(sleeper.centers, merger.model.centers)


def test_the_order_of_arrival_makes_no_difference() -> None:
    base = start()
    updates = []
    for name in "abcd":
        learner = LocalLearner(name, base)
        learner.learn_predict_many(blobs(CORNERS, 300, seed=ord(name)))
        updates.append(learner.update())
    mergers = [Merger(base), Merger(base)]
    for merger, order in zip(mergers, (updates, updates[::-1]), strict=True):
        assert [merger.receive(update) for update in order] == ["taken"] * 4
    assert mergers[0].merge().encode() == mergers[1].merge().encode()


def test_only_the_merger_mints_ids_and_never_one_twice() -> None:
    base = start(np.array([[0.0, 0.0], [8.0, 0.0], [8.1, 0.0], [4.0, 8.0]]))
    learner, merger = LocalLearner("a", base), Merger(base, seed=1)
    for seed in range(12):
        learner.learn_predict_many(blobs(CORNERS, 1_000, seed=seed))
        merger.receive(learner.update())
        learner.learn_predict_many(blobs(CORNERS, 50, seed=seed))  # under way while the swap is decided
        model = merger.merge()
        assert learner.adopt(model)
        assert learner.segment_ids.tolist() == model.ids.tolist()
    (change,) = merger.drain_changes()
    assert (change.cause, change.segment_id) == ("swap", 4)
    assert change.retired[0] in {1, 2}
    assert np.sqrt(((model.centers[:, None] - CORNERS[None]) ** 2).sum(axis=2)).min(axis=0).max() < 0.3
    heir = Merger(SharedModel.decode(replace(model, ids=np.arange(4)).encode()))
    assert heir._next_id == 5  # 4 was given once, though no centre has it here


def test_a_merger_that_may_not_swap_says_that_it_would() -> None:
    base = start(np.array([[0.0, 0.0], [8.0, 0.0], [8.1, 0.0], [4.0, 8.0]]))
    learner, merger = LocalLearner("a", base), Merger(base, seed=1)
    merger.swaps = False
    for seed in range(12):
        learner.learn_predict_many(blobs(CORNERS, 1_000, seed=seed))
        merger.receive(learner.update())
        model = merger.merge()
        learner.adopt(model)
    assert merger.restless
    assert merger.drain_changes() == []
    assert model.ids.tolist() == base.ids.tolist()
    merger.swaps = True
    for seed in range(12, 16):
        learner.learn_predict_many(blobs(CORNERS, 1_000, seed=seed))
        merger.receive(learner.update())
        learner.adopt(merger.merge())
    assert len(merger.drain_changes()) == 1
    assert not merger.restless


def test_updates_that_do_not_fit_are_dropped() -> None:
    learner, merger = LocalLearner("a", start()), Merger(start())
    learner.learn_predict_many(CORNERS)
    good = learner.update()
    for bad in (
        replace(good, centers=good.centers[:2]),
        replace(good, counts=good.counts[:2]),
        replace(good, counts=-good.counts),
        replace(good, centers=np.full_like(good.centers, np.nan)),
        replace(good, sample=good.sample[:, :1]),
        replace(good, sample=np.full_like(good.sample, np.inf)),
    ):
        assert merger.receive(bad) == "misfit"
    assert merger.merge().version == 1
    assert merger.receive(good) == "taken"


def test_records_survive_the_wire_and_damage_is_noticed() -> None:
    learner, merger = LocalLearner("a", start()), Merger(start())
    learner.learn_predict_many(blobs(CORNERS, 2 * SAMPLE))
    update = learner.update()
    same = Update.decode(update.encode())
    assert same.encode() == update.encode()
    assert same.sample.shape == (SAMPLE, 2)
    assert merger.receive(same) == "taken"
    model = merger.merge()
    assert SharedModel.decode(model.encode()).encode() == model.encode()
    assert model.applied == {"a": 1}
    for data in (b"", model.encode()[:-3], update.encode()):
        with pytest.raises(SnapshotError):
            SharedModel.decode(data)


def test_bad_vectors_change_nothing() -> None:
    learner = LocalLearner("a", start())
    before = learner.centers.tobytes()
    with pytest.raises(NotFiniteError):
        learner.learn_predict_many(np.array([[1.0, np.nan]]))
    with pytest.raises(ShapeError, match="3 columns"):
        learner.predict_many(np.zeros((1, 3)))
    with pytest.raises(ShapeError, match="finite centres"):
        start(np.full((4, 2), np.inf))
    with pytest.raises(ShapeError, match="the model's 3"):
        learner.adopt(replace(start(np.zeros((4, 3))), version=9))
    with pytest.raises(ValueError, match="at least 1"):
        LocalLearner("a", start(), sample=0)
    assert (learner.centers.tobytes(), learner.pending) == (before, 0)
