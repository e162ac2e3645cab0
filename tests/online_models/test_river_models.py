"""River's own clusterers, wrapped: they keep every promise, or the reason for refusing them is said."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from river import checks, cluster, preprocessing

from online_models import (
    NotFiniteError,
    RiverClusterer,
    ShapeError,
    UnsuitableModelError,
    conformance,
    river_clusterer,
)  # fmt: skip

from .test_adaptive import CORNERS, blobs

SUITABLE: dict[str, dict[str, Any]] = {
    "river.cluster.CluStream": {"max_micro_clusters": 12, "n_macro_clusters": 3, "time_gap": 50, "seed": 1},
    "river.cluster.KMeans": {"n_clusters": 3, "seed": 1},
    "river.cluster.STREAMKMeans": {"seed": 1},
    "river.cluster.DBSTREAM": {"clustering_threshold": 1.5, "fading_factor": 0.01},
    "river.cluster.DenStream": {"epsilon": 1.5, "n_samples_init": 100},
}


@pytest.mark.parametrize("name", SUITABLE)
def test_rivers_clusterers_pass_the_suite_once_wrapped(name: str) -> None:
    model = river_clusterer(name, **SUITABLE[name])
    assert type(model.model).__name__ == name.rpartition(".")[2]
    assert model.learned == 0
    bare = type(model.model)
    with pytest.raises((AssertionError, KeyError)):
        conformance.refuses_what_is_not_finite(lambda: bare(**SUITABLE[name]))


@pytest.mark.parametrize(
    ("name", "parameters", "reason"),
    [
        ("river.cluster.KMeans", {"n_clusters": 3}, "is_repeatable"),  # no seed
        ("river.cluster.ODAC", {}, "NotImplementedError"),  # clusters features, not vectors
        ("river.cluster.TextClust", {}, "TypeError"),  # wants words
        ("river.cluster.Nope", {}, "not in the River that is installed"),
        ("river.nowhere.KMeans", {}, "not in the River that is installed"),
        ("river.preprocessing.StandardScaler", {}, "is no clusterer"),
        ("os.system", {}, "no model of River's"),
        ("river", {}, "no model of River's"),
        ("river.cluster.DBSTREAM", {"radius": 1.0}, "can't be made with"),
    ],
)
def test_others_are_refused_with_the_reason(name: str, parameters: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnsuitableModelError, match=reason):
        river_clusterer(name, **parameters)


def wrapped() -> RiverClusterer:
    return RiverClusterer(cluster.KMeans(4, halflife=0.3, seed=2))


def test_it_learns_what_the_model_alone_would_learn() -> None:
    ours, bare = wrapped(), cluster.KMeans(4, halflife=0.3, seed=2)
    vectors = blobs(CORNERS, 200)
    before = pickle.dumps(ours)
    assert ours.predict_many(vectors[:3]).tolist() == [0, 0, 0]
    assert pickle.dumps(ours) == before
    labels = ours.learn_predict_many(vectors)
    for row in vectors.tolist():
        bare.learn_one(dict(enumerate(row)))
    assert ours.model.centers == bare.centers
    assert labels.tolist()[0] == 0
    assert ours.predict_many(vectors).tolist() == [bare.predict_one(dict(enumerate(row))) for row in vectors.tolist()]
    assert ours.predict_many(vectors).tolist() == [ours.predict_one(dict(enumerate(row))) for row in vectors.tolist()]


def test_features_are_those_of_the_first_row() -> None:
    model = wrapped()
    model.learn_one({"a": 1.0, "b": 2.0})
    before = pickle.dumps(model)
    assert model.predict_one({"a": 1.0, "b": 2.0, "c": 9.0}) == model.predict_one({"b": 2.0, "a": 1.0})
    assert model.predict_one({"a": 1.0}) == model.predict_one({"a": 1.0, "b": 0.0})
    assert pickle.dumps(model) == before
    assert model.features == ["a", "b"]


def test_blocks_are_refused_whole() -> None:
    model = wrapped()
    model.learn_many(CORNERS)
    before = pickle.dumps(model)
    bad = CORNERS.copy()
    bad[3, 1] = np.inf
    for call in (model.learn_many, model.learn_predict_many, model.predict_many):
        with pytest.raises(NotFiniteError, match="row 3, column 1"):
            call(bad)
        with pytest.raises(ShapeError, match="3 columns"):
            call(np.zeros((1, 3)))
    assert pickle.dumps(model) == before


def test_frames_and_pipelines() -> None:
    frame = pd.DataFrame(blobs(CORNERS, 100), columns=["a", "b"], index=np.arange(5, 105))
    pipeline = preprocessing.StandardScaler() | wrapped()
    pipeline.learn_many(frame)
    labels = pipeline.predict_many(frame)
    assert labels.index.tolist() == frame.index.tolist()
    assert labels.tolist() == [pipeline.predict_one(row) for row in frame.to_dict("records")]
    assert wrapped().learn_predict_many(frame).index.tolist() == frame.index.tolist()


def test_rivers_own_checks_pass() -> None:
    checks.check_estimator(wrapped())
