"""`python -m encoders.export`, and that the default encoder never needs torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from encoders import load_encoder
from encoders.export.__main__ import main
from tests.encoders.checkpoints import save_random


def test_a_checkpoint_is_installed_by_its_folder(tmp_path: Path) -> None:
    source = save_random(tmp_path / "Small", "gpt2")

    assert main(["--from", str(source), "--pooling", "last", "--random", "--models-dir", str(tmp_path)]) == 0

    manifest = load_encoder("small", tmp_path).manifest
    assert (manifest.kind, manifest.pooling, manifest.weights) == ("text", "last", "random")


def test_a_folder_without_a_checkpoint_is_one_line_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--from", str(tmp_path), "--models-dir", str(tmp_path / "models")]) == 1

    assert "is no checkpoint" in capsys.readouterr().err


def test_the_default_encoder_needs_no_torch(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from encoders.export.__main__ import main\n"
        "import encoders\n"
        f"assert main(['--models-dir', {str(tmp_path)!r}]) == 0\n"
        f"assert encoders.load_encoder('text', {str(tmp_path)!r}).encode(['a']).shape == (1, 512)\n"
        "found = {'torch', 'transformers', 'onnxscript'} & set(sys.modules)\n"
        "assert not found, found\n"
    )

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
