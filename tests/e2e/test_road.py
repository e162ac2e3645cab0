"""The whole road, as a user takes it: the program, the embedded stack, a file, a summary."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def userprism(*arguments: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == status, done.stderr[-3000:]
    return done


def summary(*arguments: str | Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(userprism(*arguments, "--json").stdout.splitlines()[-1])
    return found


def test_a_file_goes_down_the_road_once_however_often_it_is_sent(tmp_path: Path) -> None:
    events, truth = tmp_path / "events.ndjson", tmp_path / "truth.json"
    sent = summary("generate", "--events", "12000", "--seed", "3", "--to", events, "--truth", truth)
    road = ("replay", events, "--once", "--embedded", "--data-dir", tmp_path / "data")

    first = summary(*road)

    assert {key: first[key] for key in sent} == sent
    assert first["segments"] == 8
    assert first["freshness_p99_s"] is None
    again = summary(*road)
    assert {key: again[key] for key in sent} == sent
    lines = userprism("segments", "--embedded", "--data-dir", tmp_path / "data").stdout
    assert lines.count("people") == 8
    count = userprism(
        "sql",
        "SELECT sum(event_count) FROM current_profiles",
        "--format",
        "TSV",
        "--embedded",
        "--data-dir",
        tmp_path / "data",
    )
    assert int(count.stdout) == sent["accepted"]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("replay", "no-such-file.ndjson"), 1, "is not a file"),
        (("replay", __file__, "--mapping", "nonsense"), 1, "built in are app, crm, movielens, segment"),
        (("replay", __file__, "--speed", "fast"), 1, "--speed 'fast'"),
        (("sql", "SELECT 1"), 2, "no address of a ClickHouse server"),
        (("intake",), 2, "no address of a Kafka broker"),
        (("fly",), 2, "No such command 'fly'"),
        (("init", "--config", "no-such.toml"), 2, "doesn't exist"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path: Path, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = userprism(*arguments, "--data-dir", tmp_path, status=status)
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
