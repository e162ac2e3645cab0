"""What is read back: totals, segments and people, and whether everything that was sent has arrived."""

from __future__ import annotations

from streams.serving.arrival import Arrival
from streams.serving.segments import SegmentCard, segment_cards
from streams.serving.summary import Summary, summarise

__all__ = ["Arrival", "SegmentCard", "Summary", "segment_cards", "summarise"]
