"""After `warm_up` no kernel is left to be compiled amid a stream, where it would hold up everybody."""

from __future__ import annotations

import json
import subprocess
import sys


def test_a_stream_finds_every_kernel_ready() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.warmed_stream"], capture_output=True, text=True, check=True, timeout=300
    )
    assert json.loads(done.stdout) == []
