"""ClickHouse: the schema, the commit that is the checkpoint, and what reads it back.

Nothing here decides what a profile is; it only stores and restores what `streams.profiles` packs.
"""

from __future__ import annotations

from streams.storage.client import COMMIT_SETTINGS, connect
from streams.storage.schema import initialise

__all__ = ["COMMIT_SETTINGS", "connect", "initialise"]
