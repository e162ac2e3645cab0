"""What a model that userprism.toml names is made with."""

from __future__ import annotations

from typing import Any

import pytest

from online_models import UnsuitableModelError
from streams.profiles.models import river_options
from streams.settings import SegmentationSettings


@pytest.mark.parametrize(
    ("model", "options", "made_with"),
    [
        ("CluStream", {"time_gap": 50}, {"n_macro_clusters": 5, "seed": 3, "time_gap": 50}),
        ("KMeans", {"seed": 9}, {"n_clusters": 5, "seed": 9}),
        ("STREAMKMeans", {}, {"n_clusters": 5, "seed": 3}),
        ("DenStream", {"epsilon": 1.5}, {"epsilon": 1.5}),
    ],
)
def test_rivers_models_get_number_and_seed_where_they_take_them(
    model: str, options: dict[str, Any], made_with: dict[str, Any]
) -> None:
    settings = SegmentationSettings(model=f"river.cluster.{model}", options=options, n_clusters=5, seed=3)

    assert river_options(settings) == made_with


def test_what_is_no_clusterer_is_refused() -> None:
    with pytest.raises(UnsuitableModelError, match="EvoStream"):
        river_options(SegmentationSettings(model="river.cluster.EvoStream"))
