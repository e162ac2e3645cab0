"""The two columns of what is unusual: from touches that the model knows, added behind the declared features."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa

from encoders.behaviour import Basket, profiles, profiles_of
from streams.profiles import PartitionState
from streams.profiles.latent import Latent
from streams.profiles.unusual import Unusual, with_columns

VOCABULARY = np.array([30, 10, 20], np.uint64)
TABLE = np.array([[0, 0], [1, 0], [0, 1], [2, 2]], np.float32)


class Touched:
    """What `columns` asks of a state."""

    def touches(self, rows: Any) -> tuple[Any, Any]:
        ids = np.array([[10, 20, 99], [30, 0, 0], [99, 0, 0]], np.uint64)
        return ids[rows], np.array([[2.0, 1.0, 7.0], [4.0, 0.0, 0.0], [5.0, 0.0, 0.0]])[rows]


def test_people_are_scored_by_what_the_model_knows() -> None:
    latent = Latent("m/1", VOCABULARY, 2, lambda items, weights: (TABLE[items] * weights[:, :, None]).sum(axis=1))
    unusual = Unusual(latent, profiles_of, lambda people: people.sum(axis=1), np.array([0.0, 10.0, 20.0]))

    found = unusual.columns(cast("PartitionState", Touched()), np.array([0, 1, 2], np.int32))

    # Number 1 is content 30, number 2 is 10, number 3 is 20: people of training are described in the same way.
    baskets = [Basket(["10", "20"], [2.0, 1.0]), Basket(["30"], [4.0])]
    expected = profiles(np.array([[2.0, 4.0], [4.0, 0.0]], np.float32), baskets).sum(axis=1)
    np.testing.assert_allclose(found["anomaly"], [*expected, np.nan], rtol=1e-6)
    np.testing.assert_allclose(found["anomaly_share"], [*(expected / 20), np.nan], rtol=1e-6)


def test_columns_are_added_behind_the_others_and_missing_ones_not_at_all() -> None:
    kind = pa.map_(pa.dictionary(pa.int32(), pa.utf8()), pa.float64())
    features = pa.array([[("a", 1.0)], [("skipped", 0.0)], [], [("b", 2.0), ("a", 3.0)]], kind).take(
        pa.array([0, 2, 3])
    )

    found = with_columns(features, {"x": np.array([5.0, 6.0, np.nan]), "y": np.array([np.nan, 7.0, 8.0])})

    assert found.to_pylist() == [
        [("a", 1.0), ("x", 5.0)], [("x", 6.0), ("y", 7.0)], [("b", 2.0), ("a", 3.0), ("y", 8.0)]
    ]  # fmt: skip
    assert found.type == kind
