"""Any clusterer of River's, wrapped so that it keeps the promises made here, or refused with the reason."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from river import base

from ._arrays import as_block, finite_features, refuse_unusable
from ._frames import is_frame, read_frame, series_like
from .conformance import check_clusterer
from .errors import UnsuitableModelError

__all__ = ["RiverClusterer", "river_clusterer"]

Labels = npt.NDArray[np.int64]
BEFORE_LEARNING = 0  # label of a model that has learned nothing: River's models answer 0, or fail


class RiverClusterer(base.Clusterer):
    """A clusterer of River's whose predictions change nothing and that takes no value it can't digest.

    Every prediction is made by a copy (about as long as pickling the model takes), because many of River's clusterers
    write state when they predict. Features are those of the first mapping learned, for many of River's models fail on
    others: later ones are ignored, missing ones are 0. There are no snapshots: such a model can only be pickled.

    Parameters
    ----------
    model
        The model, which belongs to the wrapper from then on.

    Examples
    --------
    >>> from river import cluster
    >>> model = RiverClusterer(cluster.KMeans(2, halflife=0.5, seed=1))
    >>> model.learn_one({"a": 1.0})
    >>> model.predict_one({"a": 1.0, "never seen": 3.0}) == model.predict_one({"a": 1.0})
    True
    """

    def __init__(self, model: base.Clusterer) -> None:
        self.model = model
        self._names: list[Hashable] = []
        self._learned = 0
        self._frozen: bytes | None = None

    @property
    def features(self) -> list[Hashable]:
        """Names of the features, in the order in which the model gets them."""
        return list(self._names)

    @property
    def learned(self) -> int:
        """Vectors learned."""
        return self._learned

    def learn_one(self, x: Mapping[Any, Any]) -> None:
        """Learn one mapping of feature to number."""
        values = finite_features(x)
        if not self._names:
            self._names = list(values)
        self._frozen = None
        self.model.learn_one(self._complete(values))
        self._learned += 1

    def learn_predict_one(self, x: Mapping[Any, Any]) -> int:
        """Learn one mapping and return the label it had before."""
        label = self.predict_one(x)
        self.learn_one(x)
        return label

    def predict_one(self, x: Mapping[Any, Any]) -> int:
        """Label of one mapping; 0 before anything was learned; changes nothing."""
        values = finite_features(x)
        if not self._learned:
            return BEFORE_LEARNING
        return int(self._copy().predict_one(self._complete(values)))

    def learn_many(self, X: npt.ArrayLike) -> None:
        """Learn vectors (n, d), or a dataframe, row by row."""
        for row in self._rows(X):
            self.learn_one(row)

    def learn_predict_many(self, X: npt.ArrayLike) -> Labels:
        """Learn vectors (n, d), or a dataframe, row by row, and return the labels (n,) they had before."""
        return self._like([self.learn_predict_one(row) for row in self._rows(X)], X)

    def predict_many(self, X: npt.ArrayLike) -> Labels:
        """Labels (n,) of vectors (n, d), or of a dataframe as a series; changes nothing."""
        return self._like([self.predict_one(row) for row in self._rows(X)], X)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the frozen copy, which is made again when it is needed."""
        return {**self.__dict__, "_frozen": None}

    def _complete(self, values: Mapping[Hashable, float]) -> dict[Hashable, float]:
        return {name: values.get(name, 0.0) for name in self._names}

    def _copy(self) -> Any:
        if self._frozen is None:
            self._frozen = pickle.dumps(self.model)
        return pickle.loads(self._frozen)  # noqa: S301 - our own bytes, never from outside

    def _rows(self, X: npt.ArrayLike) -> list[dict[Hashable, float]]:
        """Rows as mappings, all of them checked before the first is used."""
        if is_frame(X):
            names, block = read_frame(X)
        else:
            block = as_block(X, len(self._names) or None)
            names = self._names or list(range(block.shape[1]))
        refuse_unusable(block)
        return [dict(zip(names, row, strict=True)) for row in block.tolist()]

    def _like(self, labels: list[int], X: npt.ArrayLike) -> Labels:
        array = np.array(labels, np.int64)
        if not is_frame(X):
            return array
        series: Labels = series_like(array, X)
        return series

    @classmethod
    def _unit_test_params(cls) -> Any:
        yield {"model": river_class("river.cluster.KMeans")(seed=1)}


def river_class(name: str) -> type[Any]:
    """Class of a name such as "river.cluster.CluStream".

    Raises
    ------
    UnsuitableModelError
        Not River's, not there, or no clusterer.
    """
    module, _, attribute = name.rpartition(".")
    if module.split(".")[0] != "river" or not attribute:  # a setting must not import what it likes
        msg = f'{name!r} is no model of River\'s: write "river.cluster." and the name of a class'
        raise UnsuitableModelError(msg)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (AttributeError, ImportError) as error:
        msg = f"{name!r} is not in the River that is installed: {error}"
        raise UnsuitableModelError(msg) from error
    if not (isinstance(found, type) and issubclass(found, base.Clusterer)):
        msg = f"{name!r} is no clusterer"
        raise UnsuitableModelError(msg)
    return found


def river_clusterer(name: str, **parameters: Any) -> RiverClusterer:
    """Model of a name such as "river.cluster.CluStream", put through the conformance suite first.

    The suite has the model learn some 30,000 events, which takes seconds to a minute: River's own speed.

    Parameters
    ----------
    name
        Dotted name of a class of River's.
    parameters
        What the class is made with. A model that draws numbers needs its seed.

    Raises
    ------
    UnsuitableModelError
        The name or the parameters don't make a clusterer, or it breaks a promise; the message says which.
    """
    kind = river_class(name)

    def fresh() -> RiverClusterer:
        return RiverClusterer(kind(**parameters))

    try:
        fresh()
    except (TypeError, ValueError) as error:
        msg = f"{name} can't be made with {parameters}: {error}"
        raise UnsuitableModelError(msg) from error
    try:
        check_clusterer(fresh)
    except Exception as error:
        msg = f"{name} with {parameters} is refused: {type(error).__name__}: {error}"
        raise UnsuitableModelError(msg) from error
    return fresh()
