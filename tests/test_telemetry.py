"""What roles tell the outside."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from streams.telemetry import configure_logging


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
