"""`models show`: sizes and lifts of the test shop's segments are those that its people have."""

from __future__ import annotations

import pytest

from streams.commands.showing_models import models_text, show_models
from streams.errors import InputError
from streams.settings import Settings
from streams.storage import connect


def test_sizes_and_lifts_are_those_of_the_people(shop: Settings) -> None:
    (model,) = show_models(shop, "interest", most=1_000)
    with connect(shop) as client:
        people = client.query("SELECT segment, features FROM current_profiles WHERE segment >= -1").result_rows
    assert (model["version"], model["cause"], model["inertia"]) == (2, "fit", 0.5)
    assert model["silhouette"] is None
    sizes = {centre["segment"]: centre["people"] for centre in model["segments"] if centre["people"]}
    assert sizes == {segment: sum(s == segment for s, _ in people) for segment in {s for s, _ in people}}
    centre = model["segments"][0]
    assert centre["lifts"]
    for feature, lift in centre["lifts"]:
        here = [features.get(feature, 0.0) for segment, features in people if segment == centre["segment"]]
        everywhere = [features.get(feature, 0.0) for _, features in people]
        assert lift == pytest.approx((sum(here) / len(here)) / (sum(everywhere) / len(everywhere)))
    assert "version 2 (fit)" in models_text([model])
    assert f"segment {centre['segment']}: {centre['people']:,} people" in models_text([model])


def test_what_is_not_declared_is_refused(shop: Settings) -> None:
    with pytest.raises(InputError, match="nope"):
        show_models(shop, "nope")
