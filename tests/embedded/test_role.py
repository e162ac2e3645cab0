"""A role by itself: the same exit codes and messages as the program's, and none of the other commands' imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streams.role import main


def test_without_an_address_it_says_where_it_looked(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--data-dir", str(tmp_path), "intake"]) == 2
    assert "no address of a Kafka broker. Looked at" in capfd.readouterr().err


def test_a_role_does_not_load_what_the_other_commands_need() -> None:
    heavy = "('streams.cli', 'streams.demo', 'streams.shop', 'river.metrics')"
    code = f"import sys, streams.role, streams.roles.profiler; print([m for m in sys.modules if m.startswith({heavy})])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
