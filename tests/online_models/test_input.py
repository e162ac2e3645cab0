"""Bad input is refused with its place named, and the model is left as it was; snapshots say what is wrong with them."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from online_models import KMeans, NotFiniteError, ShapeError, SnapshotError, Stabiliser, StandardScaler

GOOD = np.random.default_rng(0).normal(size=(20, 3))


def spoiled(value: float, dtype: type = np.float64) -> np.ndarray:
    vectors = GOOD.astype(dtype)
    vectors[3, 2] = value
    return vectors


@pytest.mark.parametrize("mode", ["strict", "adaptive"])
@pytest.mark.parametrize("bad", [spoiled(np.nan), spoiled(np.inf, np.float32), spoiled(-np.inf), spoiled(1e200)])
def test_what_is_not_finite_is_named_and_changes_nothing(mode: str, bad: np.ndarray) -> None:
    model = KMeans(3, mode=mode, seed=0)
    model.learn_many(GOOD)
    before = pickle.dumps(model)
    for call in (model.learn_many, model.learn_predict_many, model.predict_many):
        with pytest.raises(NotFiniteError, match="row 3, column 2 is"):
            call(bad)
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "12", None, 10**200, 1e200])
@pytest.mark.parametrize("mode", ["strict", "adaptive"])
def test_a_feature_that_is_no_finite_number_is_named(mode: str, value: object) -> None:
    model = KMeans(3, mode=mode, seed=0)
    model.learn_one({"a": True, "b": np.float32(1)})
    before = pickle.dumps(model)
    for call in (model.learn_one, model.learn_predict_one, model.predict_one):
        with pytest.raises(NotFiniteError, match="'price' is "):
            call({"a": 1.0, "price": value})
    assert pickle.dumps(model) == before


@pytest.mark.parametrize(
    "bad", [np.zeros(3), np.zeros((2, 4)), np.zeros((2, 0)), np.array([["a", "b", "c"]]), np.zeros((1, 3), complex)]
)
def test_wrong_shapes_and_types(bad: np.ndarray) -> None:
    for model in (KMeans(2, init=GOOD[:2]), KMeans(2, mode="strict", init=GOOD[:2])):
        with pytest.raises(ShapeError):
            model.learn_many(bad)
        with pytest.raises(ShapeError):
            model.predict_many(bad)


@pytest.mark.parametrize(
    "build",
    [
        lambda: KMeans(0),
        lambda: KMeans(2, rate=0.0),
        lambda: KMeans(2, rate=float("nan")),
        lambda: KMeans(2, mode="fast"),  # type: ignore[arg-type]
        lambda: KMeans(3, init=GOOD[:2]),
        lambda: KMeans(20, init=spoiled(np.nan)),
        lambda: Stabiliser(alpha=0.0),
        lambda: Stabiliser(margin=1.0),
    ],
)
def test_impossible_settings_are_refused(build: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r"must|row 3"):
        build()


def test_arrays_of_any_layout_and_kind_of_number() -> None:
    expected = KMeans(3, mode="strict", init=GOOD[:3]).learn_predict_many(GOOD).tolist()
    frozen = GOOD.copy()
    frozen.flags.writeable = False
    wide = np.zeros((20, 6))
    wide[:, ::2] = GOOD
    for same in (frozen, np.asfortranarray(GOOD), wide[:, ::2], GOOD.tolist()):
        assert KMeans(3, mode="strict", init=GOOD[:3]).learn_predict_many(same).tolist() == expected
    assert KMeans(2, init=np.array([[0], [9]])).predict_many(np.array([[1], [8]], np.int32)).tolist() == [0, 1]
    empty = KMeans(2, seed=0)
    assert empty.learn_predict_many(np.zeros((0, 3))).shape == (0,)
    assert empty.features == []


def test_what_comes_out_can_be_changed_without_harm() -> None:
    model = KMeans(2, init=GOOD[:2])
    model.centers[:] = 0
    model.segment_ids[:] = 9
    assert model.centers.tolist() == GOOD[:2].tolist()
    assert model.segment_ids.tolist() == [0, 1]


def test_a_snapshot_without_window_starts_its_window_anew() -> None:
    model = KMeans(3, seed=0)
    model.learn_many(np.random.default_rng(1).normal(size=(3_000, 16)))
    small = KMeans.from_snapshot(model.snapshot(window=False))
    assert len(model.snapshot(window=False)) < 0.2 * len(model.snapshot())
    assert small.centers.tobytes() == model.centers.tobytes()
    more = np.random.default_rng(2).normal(size=(4_500, 16))
    small.learn_many(more)
    again = KMeans.from_snapshot(small.snapshot())
    again.learn_many(more)
    small.learn_many(more)
    assert again.centers.tobytes() == small.centers.tobytes()


def test_damaged_foreign_and_newer_snapshots_are_refused() -> None:
    model, scaler = KMeans(2, init=GOOD[:2]), StandardScaler()
    newer = msgspec.msgpack.encode({"kind": "kmeans", "version": 99, "values": {}})
    wrong = msgspec.msgpack.encode({"kind": "kmeans", "version": 1, "values": {"n_clusters": 2}})
    for data in (b"", b"nonsense", model.snapshot()[:-9], scaler.snapshot(), newer, wrong):
        with pytest.raises(SnapshotError):
            KMeans.from_snapshot(data)
    for data in (b"", model.snapshot(), scaler.snapshot()[:-9]):
        with pytest.raises(SnapshotError):
            StandardScaler.from_snapshot(data)
    model.learn_one({("a", 1): 1.0})
    with pytest.raises(SnapshotError, match="named by text"):
        model.snapshot()


def test_a_snapshot_goes_on_in_another_process() -> None:
    """Text features: the order of sets differs between processes, the model's columns don't."""
    model = KMeans(2, 0.5, "strict", seed=0)
    for a, b in GOOD[:, :2].tolist():
        model.learn_one({"a": a, "b": b})
    script = (
        "import sys; from online_models import KMeans; m = KMeans.from_snapshot(sys.stdin.buffer.read());"
        "m.learn_one({'b': 1.0, 'a': 2.0}); print(m.features, m.centers.tolist())"
    )
    out = subprocess.run([sys.executable, "-c", script], input=model.snapshot(), capture_output=True, check=True)
    model.learn_one({"b": 1.0, "a": 2.0})
    assert out.stdout.decode().strip() == f"{model.features} {model.centers.tolist()}"
