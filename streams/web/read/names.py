"""What sets segments apart, and their names made from it (`streams.web.naming`)."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from clickhouse_connect.driver.client import Client

from streams.storage.written_names import written_names
from streams.web.naming import Evidence, Lift, SegmentName, as_written, name_segments
from streams.web.read._rows import first_segmentation, rows

__all__ = ["segment_evidence", "segment_lifts", "segment_names"]

_LIFTS = """
SELECT segment, kind, key, lift, low, high, share, people
FROM segment_cards
WHERE segmentation = {segmentation:String} AND kind IN {kinds:Array(String)}
  AND ({all:Bool} OR segment = {segment:Int64})
ORDER BY segment, kind, low DESC
LIMIT {most:UInt32} BY segment, kind
"""
_TITLES = """
SELECT toString(content_id), any(title) FROM content FINAL
WHERE content_id IN {ids:Array(UInt64)} AND title != ''
GROUP BY content_id
"""
_KINDS = ("category", "event", "trait")
_MOST, _MOST_TITLES = 30, 40
#: Less than this share of a segment names nobody.
_SMALLEST_SHARE = 0.03
#: Evidence is drawn anew every 15 s; a new segment's name shouldn't wait for long after that.
_KEEP_S = 3.0


@dataclass(slots=True)
class _Known:
    """Evidence of one segmentation, and the names made of it so far, by language."""

    asked_at: float
    evidence: dict[int, Evidence]
    names: dict[str, dict[int, SegmentName]] = field(default_factory=dict)


_known: WeakKeyDictionary[Client, dict[str, _Known]] = WeakKeyDictionary()


def segment_evidence(client: Client, segmentation: str = "") -> dict[int, Evidence]:
    """Return titles and lifts of each segment, as `name_segments` wants them; kept for some seconds."""
    return _of(client, first_segmentation(client, segmentation)).evidence


def segment_names(client: Client, segmentation: str = "", language: str = "en") -> dict[int, SegmentName]:
    """Return a name for each segment; its text is empty where there is no evidence yet."""
    name = first_segmentation(client, segmentation)
    known = _of(client, name)
    if language not in known.names:
        known.names[language] = name_segments(known.evidence, language, _say)
    return as_written(known.names[language], written_names(client, name), language)


def segment_lifts(
    client: Client, segmentation: str, kinds: Sequence[str], segment: int | None = None, most: int = _MOST
) -> dict[int, list[Lift]]:
    """Return the surest lifts of each kind, by segment (or of one).

    Of kind ``category`` and ``event`` a share is of people's own activity, of others the share of people.
    """
    found: dict[int, list[Lift]] = defaultdict(list)
    asked = {"segmentation": segmentation, "kinds": list(kinds), "most": most}
    for of, *fields in rows(client, _LIFTS, **asked, all=segment is None, segment=segment or 0):
        found[of].append(Lift(*fields))
    return dict(found)


def _of(client: Client, segmentation: str) -> _Known:
    of_client = _known.setdefault(client, {})
    known = of_client.get(segmentation)
    if known is None or time.monotonic() - known.asked_at > _KEEP_S:
        known = of_client[segmentation] = _Known(time.monotonic(), _evidence(client, segmentation))
    return known


def _evidence(client: Client, segmentation: str) -> dict[int, Evidence]:
    lifts = segment_lifts(client, segmentation, _KINDS)
    content = segment_lifts(client, segmentation, ("content",), None, _MOST_TITLES)
    ids = sorted({int(entry.key) for entries in content.values() for entry in entries})
    titles = dict(rows(client, _TITLES, ids=ids)) if ids else {}
    return {
        segment: Evidence(
            titles={titles[e.key]: e.people for e in content.get(segment, []) if e.key in titles},
            lifts=[lift for lift in of_it if lift.share >= _SMALLEST_SHARE],
        )
        for segment, of_it in lifts.items()
    }


def _say(lift: Lift) -> str:
    return lift.key.split("=", 1)[-1] if lift.kind == "trait" else lift.key
