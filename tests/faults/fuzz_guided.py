"""A coverage-guided fuzzer over the slow road of the contract: `python -m tests.faults.fuzz_guided -max_total_time=60`.

Needs atheris (extra `fuzz`). Arguments are libFuzzer's; a crash leaves its input as `crash-...`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(
    include=["streams.contract.tolerant", "streams.contract.times", "streams.contract.event"]
):
    from streams.contract.tolerant import Limits, Refused, unpack

from tests.faults.fuzz import events_in, payloads

__all__ = ["one_input"]

_LIMITS = Limits(max_event_bytes=4_096)


def one_input(data: bytes) -> None:
    """Unpack a value; each of its events is an event or refused."""
    found = unpack(data, _LIMITS)
    assert len(found) == events_in(data, _LIMITS)
    for event in found:
        if isinstance(event, Refused):
            assert event.reason
        else:
            assert event.user_id is not None or event.anonymous_id is not None


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="userprism-corpus-") as corpus:
        for number, value in enumerate(payloads(200, seed=1)):
            (Path(corpus) / str(number)).write_bytes(value[:4_096])
        atheris.Setup([*sys.argv, corpus], one_input)
        atheris.Fuzz()
