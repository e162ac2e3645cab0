"""What roles tell the outside."""

from __future__ import annotations

import io
import logging
import sys
import time
from pathlib import Path

import pytest

from streams.telemetry import RoleStatus, configure_logging, read_statuses


def test_a_thread_may_log_after_the_stream_that_stood_in_for_stderr_was_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    first, second = io.StringIO(), io.StringIO()
    try:
        monkeypatch.setattr(sys, "stderr", first)
        root.handlers = []
        configure_logging("profiler")
        logging.getLogger("x").warning("one")
        first.close()
        monkeypatch.setattr(sys, "stderr", second)
        logging.getLogger("x").warning("two")
    finally:
        root.handlers = before
        root.setLevel(level)

    assert second.getvalue().endswith("profiler WARNING two\n")
    assert "closed file" not in second.getvalue()


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_role_whose_clock_is_wrong_is_not_silent(
    hours: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = time.time
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("streams.telemetry.time.time", lambda: right() + 3_600 * hours)
        RoleStatus(tmp_path, "profiler-0").update(state="ready")

    assert abs(read_statuses(tmp_path)["profiler-0"]["updated"] - right()) < 60
