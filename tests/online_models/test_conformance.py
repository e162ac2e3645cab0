"""Every clusterer passes the suite; the suite finds what is wrong with River's; the public names are pinned."""

from __future__ import annotations

import doctest
import importlib
import inspect
from typing import Any

import numpy as np
import pytest
from river import base, checks, cluster

import online_models
from online_models import DBSTREAM, ConformanceError, KMeans, check_clusterer, conformance, warm_up_kernels


@pytest.mark.parametrize("mode", ["strict", "adaptive"])
def test_ours_passes(mode: str) -> None:
    assert check_clusterer(lambda: KMeans(3, 0.05, mode=mode, seed=1)) == [c.__name__ for c in conformance.CHECKS]


@pytest.mark.parametrize("gap", [2, 50])
def test_dbstream_passes(gap: int) -> None:
    checks_passed = check_clusterer(lambda: DBSTREAM(1.5, 0.01, gap, 0.2))
    assert checks_passed == [c.__name__ for c in conformance.CHECKS]


def test_rivers_predict_writes_and_it_takes_nan() -> None:
    with pytest.raises(ConformanceError, match="predict_is_pure: predict_one changed the model after 0"):
        check_clusterer(lambda: cluster.KMeans(3, halflife=0.05, seed=1))
    with pytest.raises(ConformanceError, match="learn_one took nan"):
        conformance.refuses_what_is_not_finite(lambda: cluster.KMeans(3, halflife=0.05, seed=1))


class Hoarder(KMeans):
    """Keeps all it ever saw."""

    def learn_one(self, x: Any) -> None:
        self.__dict__.setdefault("seen", []).append(dict(x))
        super().learn_one(x)


def test_a_model_that_grows_is_caught() -> None:
    with pytest.raises(ConformanceError, match="bytes after"):
        conformance.memory_is_bounded(lambda: Hoarder(3, mode="strict", seed=1))


def test_a_model_without_a_seed_is_caught() -> None:
    with pytest.raises(ConformanceError, match="another one of the same seed"):
        conformance.is_repeatable(lambda: KMeans(8, 0.05, mode="strict"))


def test_rivers_own_checks_pass_for_dbstream() -> None:
    checks.check_estimator(DBSTREAM())
    assert DBSTREAM().clone({"fading_factor": 0.5}).fading_factor == 0.5


@pytest.mark.parametrize("mode", ["strict", "adaptive"])
def test_rivers_own_checks_pass(mode: str) -> None:
    model = KMeans(3, mode=mode, seed=1)
    assert isinstance(model, base.Clusterer)
    checks.check_estimator(model)
    copy = model.clone({"n_clusters": 4})
    assert (copy.n_clusters, copy.mode, copy.seed) == (4, mode, 1)


def test_public_names_are_pinned() -> None:
    assert online_models.__all__ == [
        "DBSTREAM", "UNASSIGNED", "Advice", "Change", "Choice", "ConformanceError", "Drift", "KMeans",
        "LocalLearner", "Merger", "NotFiniteError", "OnlineModelError", "Quality", "RiverClusterer",
        "ShapeError", "SharedModel", "Shift", "SnapshotError", "Stabiliser", "StandardScaler", "Transition",
        "UnsuitableModelError", "Update", "assess", "baseline_windows", "bic", "centre_drift",
        "check_clusterer", "choose_k", "measured_dispersion", "nearest_centres", "overlap_of",
        "river_clusterer", "shift_test", "simplified_silhouette", "typical_dispersion", "warm_up_kernels",
    ]  # fmt: skip
    assert list(inspect.signature(KMeans).parameters) == ["n_clusters", "rate", "mode", "init", "seed"]
    assert inspect.signature(KMeans).parameters["mode"].default == "adaptive"


@pytest.mark.parametrize("name", ["choose_k", "density", "kmeans", "river_models", "scaling", "sharing", "stability"])
def test_examples_in_docstrings_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"online_models.{name}"))
    assert result.attempted > 0
    assert result.failed == 0


def test_warming_up_compiles_everything_the_stream_will_call() -> None:
    warm_up_kernels()
    files = online_models._distances, online_models._learning, online_models._lloyd, online_models._dbstream
    from_kernels = [f for file in files for f in vars(file).values() if hasattr(f, "signatures")]
    before = [len(f.signatures) for f in from_kernels]
    for dtype in (np.float32, np.float64):
        vectors = np.random.default_rng(0).normal(size=(5_000, 6)).astype(dtype)
        vectors.flags.writeable = False
        model, people = KMeans(3, seed=1), online_models.Stabiliser()
        model.learn_many(vectors)
        model.refit(vectors, "test")
        density = DBSTREAM()
        density.learn_many(vectors)
        density.predict_many(vectors)
        DBSTREAM.from_snapshot(density.snapshot()).learn_many(vectors)
        people.assign(np.arange(9, dtype=np.int32), vectors[:9], model)
    assert [len(f.signatures) for f in from_kernels] == before
