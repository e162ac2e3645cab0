"""The Python of the virtual environment: the one that was asked for, or the same version, built better."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = Path(__file__).parents[2] / "deploy" / "choose_python.py"
_NAMES = runpy.run_path(str(_SCRIPT))
Candidate, chosen = _NAMES["Candidate"], _NAMES["chosen"]

_ASKED = Candidate("3.11", 0.060, "/home/somebody/python3")


@pytest.mark.parametrize(
    ("others", "taken"),
    [
        ([], "/home/somebody/python3"),
        ([("3.11", 0.040, "/usr/bin/python3")], "/usr/bin/python3"),
        ([("3.11", 0.055, "/usr/bin/python3")], "/home/somebody/python3"),
        ([("3.12", 0.010, "/usr/bin/python3")], "/home/somebody/python3"),
        ([("3.11", 0.045, "/a/python3"), ("3.11", 0.030, "/b/python3")], "/b/python3"),
    ],
    ids=["nothing else", "built better", "hardly better", "another version", "the best of two"],
)
def test_another_one_is_taken_only_where_it_is_the_same_version_and_worth_it(
    others: list[tuple[str, float, str]], taken: str
) -> None:
    assert chosen(_ASKED, [Candidate(*one) for one in others]).path == taken


def test_what_it_prints_can_make_a_virtual_environment(tmp_path: Path) -> None:
    printed = subprocess.run([sys.executable, _SCRIPT], capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run([printed, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    asked = [tmp_path / "venv/bin/python", "-c", "import sys; print(sys.version_info[:2])"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    assert said == str(sys.version_info[:2])


def test_one_on_the_path_that_says_it_is_faster_is_taken_and_said(tmp_path: Path) -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    fast = tmp_path / "python3"
    fast.write_text(f"#!/bin/sh\necho {version} 0.000001 {fast}\n")
    fast.chmod(0o755)
    search = {**os.environ, "PATH": f"{os.environ['PATH']}{os.pathsep}{tmp_path}"}
    done = subprocess.run([sys.executable, _SCRIPT], capture_output=True, text=True, check=True, env=search)
    assert done.stdout.strip() == str(fast)
    assert f"taking {fast}" in done.stderr
    assert f"PYTHON={sys.executable}" in done.stderr


def test_a_broken_python3_on_the_path_is_passed_over(tmp_path: Path) -> None:
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    search = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, _SCRIPT], capture_output=True, text=True, check=True, env=search)
    assert done.stdout.strip() not in {"", str(broken)}
