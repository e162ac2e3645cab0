"""Files to events: mappings, readers, and a ledger that makes the same command again add nothing."""

from __future__ import annotations

from streams.replay.ledger import Replay
from streams.replay.mapping import Mapping, load_mapping
from streams.replay.publish import publish
from streams.replay.rows import read_events

__all__ = ["Mapping", "Replay", "load_mapping", "publish", "read_events"]
