"""Dataframes are learned as their rows as dicts would be, and River's own pipelines take the models."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from river import cluster, compose, preprocessing

from online_models import KMeans, NotFiniteError, ShapeError

VECTORS = np.random.default_rng(0).normal(size=(60, 3)) * [1.0, 20.0, 300.0]
NAMES = ["age", "price", "seconds"]
FRAME = pd.DataFrame(VECTORS, columns=NAMES, index=np.arange(100, 160))


def rows(frame: pd.DataFrame) -> list[dict[str, float]]:
    return frame.to_dict("records")


def what_it_knows(model: KMeans) -> tuple[object, ...]:
    window = model._window.vectors
    return model.features, model.learned, model.centers.tobytes(), model._counts.tolist(), window.tobytes()


@pytest.mark.parametrize("mode", ["strict", "adaptive"])
def test_a_frame_is_its_rows_whatever_columns_come_and_go(mode: str) -> None:
    frames, dicts = KMeans(4, 0.2, mode=mode, seed=3), KMeans(4, 0.2, mode=mode, seed=3)
    for part in (FRAME[["age"]][:7], FRAME[7:30], FRAME[["seconds", "age"]][30:40], FRAME[NAMES[::-1]][40:], FRAME[:0]):
        got = frames.learn_predict_many(part)
        expected = [dicts.learn_predict_one(row) for row in rows(part)]
        assert got.index.tolist() == part.index.tolist()
        if mode == "strict":
            assert got.tolist() == expected
        assert what_it_knows(frames) == what_it_knows(dicts)
    dicts.finish_warmup()
    before = pickle.dumps(dicts)
    for part in (FRAME, FRAME[["price"]], FRAME.assign(more=2.0)):
        assert dicts.predict_many(part).tolist() == [dicts.predict_one(row) for row in rows(part)]
    assert pickle.dumps(dicts) == before


def test_columns_are_found_by_name_not_by_place() -> None:
    model = KMeans(3, mode="strict", seed=1)
    model.learn_many(FRAME)
    assert sorted(model.features) == NAMES  # in the order of River's set
    assert model.predict_many(FRAME[NAMES[::-1]]).equals(model.predict_many(FRAME))
    assert (
        model.predict_many(FRAME[NAMES[::-1]]).tolist() == model.predict_many(FRAME[model.features].to_numpy()).tolist()
    )


def test_bad_frames_change_nothing() -> None:
    model = KMeans(3, mode="strict", seed=1)
    model.learn_many(FRAME)
    before = pickle.dumps(model)
    hole = FRAME.copy()
    hole.iloc[4, 1] = np.nan
    with pytest.raises(NotFiniteError, match="row 4, column 1 is nan"):
        model.learn_many(hole)
    with pytest.raises(ShapeError, match="a name of its own"):
        model.learn_many(pd.concat([FRAME, FRAME[["age"]]], axis=1))
    with pytest.raises(ShapeError, match="columns of numbers"):
        model.learn_many(FRAME.assign(name="x"))
    assert pickle.dumps(model) == before


def test_a_pipeline_of_rivers_scaler_and_ours_is_rivers_own() -> None:
    ours = compose.Pipeline(preprocessing.StandardScaler(), KMeans(4, 0.1, "strict", seed=2))
    rivers = preprocessing.StandardScaler() | cluster.KMeans(4, halflife=0.1, seed=2)
    for row in rows(FRAME):
        ours.learn_one(row)
        rivers.learn_one(row)
    assert ours.predict_one(rows(FRAME)[5]) == rivers.predict_one(rows(FRAME)[5])
    learned = ours["KMeans"]
    peer = rivers["KMeans"]
    assert learned.centers.tolist() == [[peer.centers[c][f] for f in learned.features] for c in range(4)]


def test_a_pipeline_learns_and_predicts_mini_batches() -> None:
    model = preprocessing.StandardScaler() | KMeans(2, init=None, seed=2)
    apart = pd.DataFrame({"a": [0.0, 1.0] * 600, "b": [0.0, 1000.0] * 600})
    for start in range(0, 1200, 100):
        model.learn_many(apart[start : start + 100])
    labels = model.predict_many(apart[:6])
    assert labels.tolist() in ([0, 1] * 3, [1, 0] * 3)
    assert labels.tolist() == [model.predict_one(row) for row in rows(apart[:6])]
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own bytes
    assert again.predict_many(apart[:6]).equals(labels)
