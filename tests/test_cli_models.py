"""`userprism models train` from the command line: figures on stdout, how far it is on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from encoders import load_encoder, load_manifest
from streams.cli import cli


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
