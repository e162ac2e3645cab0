"""`userprism models` from the command line: figures on stdout, how far it is on stderr."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from click.testing import CliRunner

from encoders import load_encoder, load_manifest
from streams.cli import cli
from streams.errors import InputError


@pytest.mark.parametrize(
    ("kind", "made", "told"), [("mult-dae", "multdae", ("Mult-DAE",)), ("gan", "anomaly", ("Mult-DAE", "GAN"))]
)
def test_models_are_trained_from_a_file(
    kind: str, made: str, told: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USERPRISM_ENCODER__MODELS_DIR", str(tmp_path / "models"))
    log = tmp_path / "views.csv"
    log.write_text("who,what\n" + "".join(f"u{u},p{i}\n" for u in range(48) for i in range(12) if (u + i) % 2))

    done = CliRunner().invoke(
        cli, ["models", "train", kind, "--from", str(log), "--user", "who", "--item", "what", "--dry-run", "--json"],
        catch_exceptions=False,
    )  # fmt: skip

    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["people"], found["items"], found["version"]) == (48, 12, 0)
    assert Path(found["folder"]) == tmp_path / "models" / made
    for what in (*told, "100%"):
        assert what in done.stderr
    if kind == "gan":
        assert found["better"] == ("gan" if found["gan"] > found["mixture"] else "mixture")
        assert load_manifest(made, tmp_path / "models").source.startswith(found["better"])
    else:
        assert load_encoder(made, tmp_path / "models").dim == 16


def test_choose_k_advises_on_a_file(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    corners = np.array([[0.0, 0.0], [90.0, 0.0], [0.0, 9.0]])
    points = corners[np.arange(300) % 3] + random.normal(size=(300, 2)) * [4.0, 0.4]
    rows, plot = tmp_path / "rows.csv", tmp_path / "k.svg"
    rows.write_text("who,a,b\n" + "".join(f"u{n},{a},{b}\n" for n, (a, b) in enumerate(points.tolist())))
    asked = ["models", "choose-k", "--from", str(rows), "--to", "6", "--seed", "1"]

    done = CliRunner().invoke(cli, [*asked, "--plot", str(plot), "--json"], catch_exceptions=False)

    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["by_silhouette"], found["by_bic"], found["vectors"], found["dimensions"]) == (3, 3, 300, 2)
    assert [one["k"] for one in found["table"]] == [2, 3, 4, 5, 6]
    assert "100%" in done.stderr
    drawn = ElementTree.fromstring(plot.read_text())  # noqa: S314 - our own
    circles = drawn.findall("{http://www.w3.org/2000/svg}circle")
    assert [circle.get("r") for circle in circles] == ["3", "6", "3", "3", "3"] * 2

    told = CliRunner().invoke(cli, asked, catch_exceptions=False).stdout
    assert "silhouette would take 3, BIC 3" in told
    refused = [
        (["--column", "who"], "isn't numbers"),
        (["--column", "nope"], "no column 'nope'"),
        (["--to", "300"], "too few"),
    ]
    for more, why in refused:
        with pytest.raises(InputError, match=why):
            CliRunner().invoke(cli, [*asked, *more], catch_exceptions=False)
    assert CliRunner().invoke(cli, ["models", "choose-k", "--least", "7", "--to", "6"]).exit_code == 2
    rows.write_text("a,b\n1,2\n,3\n4,inf\n")
    for column, why in (("a", "1 values missing"), ("b", "inf")):
        with pytest.raises(InputError, match=why):
            CliRunner().invoke(
                cli, ["models", "choose-k", "--from", str(rows), "--to", "2", "--column", column],
                catch_exceptions=False,
            )  # fmt: skip
