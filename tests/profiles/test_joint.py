"""One model of several learners: what the merger makes of updates and fits, and what learners make of its versions."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from online_models import KMeans, StandardScaler
from streams.contract import Learned, Minted, ModelUpdateError, Proposed, decode_update, encode_update
from streams.errors import ConfigurationError
from streams.profiles import JointModel, Segmentations, VectorTable
from streams.profiles.share import Share
from streams.profiles.snapshot import Snapshot
from streams.settings import SegmentationSettings

CENTRES = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
QUALITY = (600, 2.0, 0.7, 0.0, 0.0)


class Learner:
    """A segmentation over raw vectors of two columns, without the people."""

    def __init__(self, name: str, seed: int) -> None:
        segmentations = Segmentations([SegmentationSettings(n_clusters=3, parts={"behaviour": 1.0})], VectorTable(2))
        self.segmentation: Any = segmentations.all[0]
        self.segmentation.begin_sharing(name, leader=name == "a")
        self.random = np.random.default_rng(seed)
        self.raw: list[np.ndarray] = []

    def learn(self, vectors: int, centres: np.ndarray = CENTRES) -> None:
        raw = centres[self.random.integers(len(centres), size=vectors)] + self.random.normal(size=(vectors, 2))
        self.raw.append(raw)
        self.segmentation._share.learn(raw)
        self.segmentation._model.learn(self.segmentation._space.transform(raw))


def fit(base: int, seed: int = 0) -> Proposed:
    """Return a first fit as a leader proposes it: ids from 0 on."""
    raw = CENTRES[np.random.default_rng(seed).integers(3, size=600)] + np.random.default_rng(seed).normal(size=(600, 2))
    kmeans, scaler = KMeans(3, seed=seed), StandardScaler()
    scaler.learn_many(raw)
    minted = [Minted(c.segment_id, c.cause, c.centre.tolist()) for c in kmeans.refit(raw, "first fit")]
    snapshot = Snapshot(
        model=kmeans.snapshot(), scaler=scaler.snapshot(), widths=(2,), behaviour_weights=[1.0, 1.0],
        events=600, known=0.0
    )
    return Proposed("interest", base, "first fit", "space", 1, snapshot.encode(), minted, QUALITY)


def test_records_survive_the_topic_and_others_are_refused() -> None:
    for record in (fit(3), Learned("value", b"update", b"moments")):
        assert decode_update(encode_update(record)) == record
    with pytest.raises(ModelUpdateError):
        decode_update(b"not a record of ours")


def test_a_fit_gets_ids_that_nobody_had_and_a_late_one_is_dropped() -> None:
    joint = JointModel(None, next_id=40)
    first = joint.fitted(fit(0))
    assert first is not None
    assert (first.version, sorted(first.segments), first.cause) == (1, [40, 41, 42], "first fit")
    assert [m.segment for m in first.minted] == [40, 41, 42]
    assert joint.fitted(fit(0, seed=1)) is None  # two leaders, or the same record again
    second = joint.fitted(fit(1, seed=2))
    assert second is not None
    assert (second.version, sorted(second.segments)) == (2, [43, 44, 45])
    assert joint.outcomes == {"fitted": 2, "late fit": 1}
    again = JointModel(second, next_id=0)  # after a restart
    assert again.fitted(fit(1)) is None
    assert again.fitted(fit(2)) is not None


def test_two_learners_learn_what_one_would_and_repeats_change_nothing() -> None:
    joint = JointModel(None, 0)
    version = joint.fitted(fit(0))
    learners = [Learner("a", 1), Learner("b", 2)]
    for round_ in range(1, 4):
        assert version is not None
        for learner in learners:
            learner.segmentation.adopt(version.version, version.snapshot, [])
            learner.learn(3_000)
            update = learner.segmentation.take_update(1_000.0 * round_)
            assert update is not None
            assert learner.segmentation.take_update(1_000.0 * round_ + 1) is None  # said just now
            joint.learned(update)
            joint.learned(update)
        version = joint.merge()
    assert version is not None
    assert joint.outcomes == {"fitted": 1, "taken": 6, "repeat": 6}
    stored = Snapshot.decode(version.snapshot)
    scaler = StandardScaler.from_snapshot(stored.scaler)
    raw = np.vstack([part for learner in learners for part in learner.raw])
    assert scaler.counts.tolist() == [600 + len(raw)] * 2
    np.testing.assert_allclose(scaler.mean, raw.mean(axis=0), atol=0.3)
    assert joint.merge() is None


def test_what_was_learned_on_the_way_is_carried_over_and_a_fit_takes_its_place() -> None:
    joint = JointModel(None, 0)
    version = joint.fitted(fit(0))
    assert version is not None
    learner, other = Learner("a", 1), Learner("b", 2)
    for one in (learner, other):
        one.segmentation.adopt(version.version, version.snapshot, [])
        one.learn(6_000)
    update, late = learner.segmentation.take_update(0.0), other.segmentation.take_update(0.0)
    joint.learned(update)
    learner.learn(100)  # while the merger works
    version = joint.merge()
    assert version is not None
    learner.segmentation.adopt(version.version, version.snapshot, [])
    assert learner.segmentation._model.pending == 100
    joint.learned(late)  # of a base that is gone
    assert joint.outcomes["wrong base"] == 1
    other.segmentation.adopt(version.version, version.snapshot, [])
    assert other.segmentation._model.pending == 6_000  # nothing of it is lost
    version = joint.fitted(fit(version.version))
    assert version is not None
    other.segmentation.adopt(version.version, version.snapshot, [])
    assert other.segmentation._model.pending == 0  # it was learned in another space


def test_who_comes_by_night_moves_no_segment_and_the_leader_hears_of_it() -> None:
    joint = JointModel(None, 0)
    version = joint.fitted(fit(0))
    assert version is not None
    before = sorted(version.segments)
    learners = [Learner("a", 1), Learner("b", 2)]
    # Four crowds where there are three segments.
    by_night = np.array([[0.0, 0.0], [9.0, -9.0], [9.0, 9.0], [-9.0, -9.0]])
    for round_ in range(1, 5):
        for learner in learners:
            learner.segmentation.adopt(version.version, version.snapshot, [])
            learner.learn(6_000, by_night)
            joint.learned(learner.segmentation.take_update(1_000.0 * round_))
        version = joint.merge()
        assert version is not None
        assert sorted(version.segments) == before
    leader = learners[0].segmentation
    leader.adopt(version.version, version.snapshot, [])
    assert leader._model.restless
    assert leader._learned_at_fit < leader._model.learned

    fitted = joint.fitted(fit(version.version))
    assert fitted is not None
    leader.adopt(fitted.version, fitted.snapshot, [])
    assert not leader._model.restless
    assert leader._learned_at_fit == leader._model.learned


def test_a_version_that_one_profiler_made_alone_is_gone_on_from() -> None:
    alone = fit(0)
    joint = JointModel(None, 0)
    made = joint.fitted(alone)
    assert made is not None
    own = msgspec.structs.replace(Snapshot.decode(made.snapshot), fitted=0)  # as `Segmentation.snapshot` has it
    stored = type(made)(**{**{f: getattr(made, f) for f in made.__slots__}, "version": 7, "snapshot": own.encode()})
    joint = JointModel(stored, 0)
    learner = Learner("a", 1)
    learner.segmentation.adopt(7, stored.snapshot, [])
    learner.learn(6_000)
    joint.learned(learner.segmentation.take_update(0.0))
    learner.learn(10)
    merged = joint.merge()
    assert merged is not None
    learner.segmentation.adopt(merged.version, merged.snapshot, [])
    assert (merged.version, learner.segmentation._model.pending) == (8, 10)  # the same space: carried over


def test_damaged_records_are_counted_and_change_nothing() -> None:
    joint = JointModel(None, 0)
    joint.learned(Learned("interest", b"x", b"y"))
    assert joint.fitted(msgspec.structs.replace(fit(0), snapshot=b"nonsense")) is None
    version = joint.fitted(fit(0))
    assert version is not None
    learner = Learner("a", 1)
    learner.segmentation.adopt(1, version.snapshot, [])
    learner.learn(6_000)
    update = learner.segmentation.take_update(0.0)
    wide = StandardScaler()
    wide.learn_many(np.zeros((3, 5)))
    joint.learned(msgspec.structs.replace(update, moments=wide.snapshot()))
    assert joint.outcomes == {"misfit": 3, "fitted": 1}
    assert joint.merge() is None


def test_what_several_can_not_learn_together_is_refused_with_the_reason() -> None:
    for model in ("dbstream", "river.cluster.KMeans"):
        odd = Segmentations([SegmentationSettings(name="odd", model=model)], VectorTable(2)).all[0]
        with pytest.raises(ConfigurationError, match=f"odd.*{model}.*one profiler"):
            odd.begin_sharing("a", leader=True)


def test_a_proposal_is_made_again_only_when_nothing_came_of_it() -> None:
    share = Share("a", leader=True)
    assert share.may_propose(0.0)
    share.proposing(0.0)
    assert not share.may_propose(20.0)
    assert share.may_propose(31.0)
    assert not Share("b", leader=False).may_propose(0.0)
