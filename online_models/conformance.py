"""What every clusterer here promises, as checks any clusterer can be put through.

River's own estimator checks never feed a clusterer any data, so they miss that `river.cluster.KMeans.predict_one` grows
its centres. These do.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np

__all__ = ["CHECKS", "ConformanceError", "check_clusterer"]

Factory = Callable[[], Any]
Row = dict[str, float]
EVENTS = 2_500  # past every warm-up and window there is
GROWTH = 1.1  # a model may grow by so much between EVENTS and twice as many


class ConformanceError(AssertionError):
    """A clusterer breaks a promise; the message says which and how."""


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ConformanceError(message)


def _rows(n: int, features: str = "abcd", seed: int = 7) -> list[Row]:
    draws = random.Random(seed)  # noqa: S311 - repeatable test data
    return [{name: draws.gauss(3.0 * draws.randrange(3), 1.0) for name in features} for _ in range(n)]


def _learned(factory: Factory, rows: list[Row]) -> Any:
    model = factory()
    for row in rows:
        model.learn_one(row)
    return model


def predict_is_pure(factory: Factory) -> None:
    """Predicting changes no byte of the model, whatever the features."""
    for rows in ([], _rows(20), _rows(EVENTS)):
        model = _learned(factory, rows)
        before = pickle.dumps(model)
        for row in [*_rows(3, seed=8), {"never seen": 1.0}, {}]:
            model.predict_one(row)
        _require(pickle.dumps(model) == before, f"predict_one changed the model after {len(rows)} learned events")


def predicts_before_learning(factory: Factory) -> None:
    """Even a fresh model answers with a label (-1 is noise), and the same one each time."""
    model = factory()
    for row in _rows(5):
        label = model.predict_one(row)
        _require(isinstance(label, int) and label >= -1, f"predict_one of a fresh model returned {label!r}")
        _require(model.predict_one(row) == label, "a fresh model gives one row two labels")


def takes_emerging_features(factory: Factory) -> None:
    """Features may appear and go missing at any time."""
    model = factory()
    for features in ("a", "abcd", "cd", "bx", "abcd"):
        for row in _rows(30, features):
            model.learn_one(row)
            _require(isinstance(model.predict_one(row), int), f"no label for features {features!r}")


def memory_is_bounded(factory: Factory) -> None:
    """Learning on and on, the same features, doesn't make the model grow."""
    model = _learned(factory, _rows(EVENTS))
    first = len(pickle.dumps(model))
    for row in _rows(EVENTS, seed=9):
        model.learn_one(row)
    second = len(pickle.dumps(model))
    _require(second <= GROWTH * first + 4096, f"{first} bytes after {EVENTS} events, {second} after twice as many")


def survives_pickling(factory: Factory) -> None:
    """Pickled and read back, a model goes on exactly as the original."""
    model = _learned(factory, _rows(EVENTS))
    _goes_on_alike(model, pickle.loads(pickle.dumps(model)), "its pickled copy")  # noqa: S301 - our own bytes


def is_repeatable(factory: Factory) -> None:
    """Models of one seed, fed alike, are alike; two that weren't seeded may end alike by chance, four hardly."""
    first = _learned(factory, _rows(EVENTS))
    for _ in range(3):
        _goes_on_alike(deepcopy(first), _learned(factory, _rows(EVENTS)), "another one of the same seed")


def refuses_what_is_not_finite(factory: Factory) -> None:
    """NaN and infinity raise ValueError and leave the model as it was."""
    model = _learned(factory, _rows(50))
    before = pickle.dumps(model)
    for value in (float("nan"), float("inf"), float("-inf")):
        _require(_refused(model.learn_one, {"a": 1.0, "b": value}), f"learn_one took {value}")
    _require(pickle.dumps(model) == before, "a refused value changed the model")


def arrays_agree_with_dicts(factory: Factory) -> None:
    """Where there are array methods, they learn, label and refuse as the methods on dicts do."""
    if not hasattr(factory(), "learn_many"):
        return
    vectors = np.array([list(row.values()) for row in _rows(EVENTS)])
    one, many = factory(), factory()
    for vector in vectors.tolist():
        one.learn_one(dict(enumerate(vector)))
    for start in range(0, EVENTS, 700):
        many.learn_many(vectors[start : start + 700])
    labels = many.predict_many(vectors[:100]).tolist()
    _require(labels == [one.predict_one(dict(enumerate(v))) for v in vectors[:100].tolist()], "arrays label otherwise")
    before = pickle.dumps(many)
    many.predict_many(vectors)
    bad = vectors.copy()
    bad[17, 2] = np.nan
    _require(_refused(many.learn_many, bad), "learn_many took NaN")
    _require(pickle.dumps(many) == before, "predict_many or a refused block changed the model")


def snapshots_go_on(factory: Factory) -> None:
    """Where there are snapshots, a restored model goes on exactly as the original, warm or not."""
    if not hasattr(factory(), "snapshot"):
        return
    for events in (0, 40, EVENTS):
        model = _learned(factory, _rows(events))
        _goes_on_alike(model, type(model).from_snapshot(model.snapshot()), f"its snapshot after {events} events")


def _refused(learn: Callable[[Any], Any], value: Any) -> bool:
    try:
        learn(value)
    except ValueError:
        return True
    return False


def _goes_on_alike(model: Any, other: Any, name: str) -> None:
    for row in _rows(300, seed=10):
        _require(model.predict_one(row) == other.predict_one(row), f"the model and {name} label a row differently")
        model.learn_one(row)
        other.learn_one(row)


CHECKS: tuple[Callable[[Factory], None], ...] = (
    predict_is_pure,
    predicts_before_learning,
    takes_emerging_features,
    memory_is_bounded,
    survives_pickling,
    is_repeatable,
    refuses_what_is_not_finite,
    arrays_agree_with_dicts,
    snapshots_go_on,
)


def check_clusterer(factory: Factory) -> list[str]:
    """Put a clusterer through every check.

    Parameters
    ----------
    factory
        Returns a fresh clusterer each time, always with the same seed.

    Returns
    -------
    list of str
        Names of the checks, all passed.

    Raises
    ------
    ConformanceError
        The first promise that is broken.
    """
    for check in CHECKS:
        try:
            check(factory)
        except ConformanceError as error:
            msg = f"{check.__name__}: {error}"
            raise ConformanceError(msg) from error
    return [check.__name__ for check in CHECKS]
