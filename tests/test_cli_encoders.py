"""`userprism encoders`: what is installed is listed, checked and exported, and what can't be says why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from encoders import content_space, load_encoder
from streams.cli import cli
from tests.encoders.checkpoints import save_random
from tests.encoders.test_contract import tiny
from tests.roles.conftest import twin


def run(models_dir: Path, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.setenv("USERPRISM_ENCODER__MODELS_DIR", str(models_dir))
    return CliRunner().invoke(cli, ["encoders", *arguments])


def test_list_shows_what_is_there_and_what_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny(tmp_path / "tiny")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "manifest.json").write_text("{")

    listed = run(tmp_path, "list", monkeypatch=monkeypatch)
    found = json.loads(run(tmp_path, "list", "--json", monkeypatch=monkeypatch).stdout)["encoders"]

    assert "tiny" in listed.stdout
    assert [row["id"] for row in found] == ["broken", "tiny"]
    assert "is no manifest" in found[0]["error"]
    assert (found[1]["kind"], found[1]["dim"], found[1]["in_use"]) == ("text", 4, False)
    assert "install the default one" in run(tmp_path / "empty", "list", monkeypatch=monkeypatch).stdout


def test_a_checkpoint_is_exported_checked_and_refused_once_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, models = save_random(tmp_path / "Small-BERT", "bert"), tmp_path / "models"

    done = run(
        models, "export", "--from", str(source), "--pooling", "cls", "--random", "--json", monkeypatch=monkeypatch
    )
    checked = run(models, "check", monkeypatch=monkeypatch)
    with (models / "small-bert" / "model.onnx").open("ab") as file:
        file.write(b"\0")
    changed = run(models, "check", "--json", monkeypatch=monkeypatch)

    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["id"], told["pooling"], told["weights"], told["exported"]) == ("small-bert", "cls", "random", True)
    assert (checked.exit_code, checked.stdout[:14]) == (0, "ok   small-ber")
    assert changed.exit_code == 1
    assert "sha256" in json.loads(changed.stdout)["encoders"][0]["said"]


def test_an_export_needs_no_options_and_is_done_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = [run(tmp_path, "export", *name, "--json", monkeypatch=monkeypatch) for name in ((), ("text",))]
    again = run(tmp_path, "export", "use-multilingual-v3", monkeypatch=monkeypatch)

    told = [json.loads(one.stdout.splitlines()[-1]) for one in done]
    assert [(one["id"], one["exported"]) for one in told] == [("use-multilingual-v3", n) for n in (True, False)]
    assert again.stdout.startswith("already in")


def test_a_checkpoint_takes_no_name_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "MiniLM").mkdir()
    (tmp_path / "MiniLM" / "config.json").write_text('{"model_type": "bert"}')

    refused = run(tmp_path / "models", "export", "--from", str(tmp_path / "MiniLM"), monkeypatch=monkeypatch)

    assert refused.exit_code != 0
    assert "'minilm' is the name of an encoder from a package: choose another one" in str(refused.exception)


def test_one_name_goes_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twin(tmp_path, "minilm-l6-v2", swapped=False)

    for name in ("minilm", "minilm-l6-v2"):
        checked = run(tmp_path, "check", name, "--json", monkeypatch=monkeypatch)
        assert json.loads(checked.stdout)["encoders"][0]["said"] == "8 checks on CPUExecutionProvider"
        assert content_space(name, models_dir=tmp_path).space_id == "minilm-l6-v2/1"
    absent = run(tmp_path, "switch", "minilm-int8", monkeypatch=monkeypatch)
    assert absent.exit_code != 0
    assert "no encoder 'minilm-int8' (minilm-l6-v2-int8)" in str(absent.exception)
    assert "there: minilm-l6-v2." in str(absent.exception)


def test_the_default_encoder_passes_its_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("USERPRISM_ENCODER__MODELS_DIR", raising=False)

    done = CliRunner().invoke(cli, ["encoders", "check", load_encoder("text").manifest.id, "--json"])

    assert done.exit_code == 0
    assert len(json.loads(done.stdout)["encoders"][0]["checks"]) == 8
