"""`models show`: sizes and lifts of the test shop's segments are those that its people have."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from streams.cli import cli
from streams.commands.choosing_k import vectors_of_people
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
    with pytest.raises(InputError, match="nope"):
        vectors_of_people(shop, "nope", most=10)


def test_without_a_model_there_is_nothing_to_choose_from(shop: Settings) -> None:
    with pytest.raises(InputError, match="no model yet"):  # the shop's model is of another layout
        vectors_of_people(shop, "", most=10)


def test_the_command_shows_the_same(shop: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for field in shop.clickhouse.__struct_fields__:
        value = getattr(shop.clickhouse, field)
        if isinstance(value, str) and value:
            monkeypatch.setenv(f"USERPRISM_CLICKHOUSE__{field.upper()}", json.dumps(value))
    asked = ["models", "show", "--data-dir", shop.data_dir, "--most", "2"]

    done = CliRunner().invoke(cli, [*asked, "--json"], catch_exceptions=False)

    assert (done.exit_code, json.loads(done.stdout)) == (0, json.loads(json.dumps(show_models(shop, most=2))))
    assert "interest: version 2 (fit)" in CliRunner().invoke(cli, asked, catch_exceptions=False).stdout
