"""A name for each segment, made from its evidence: what it has far more of than everybody else.

What a segment's lifts say most surely (the lower end of the interval counts) is its name: categories first, then words
of the titles it touches (c-TF-IDF, Grootendorst 2022: a segment's titles are one document), then traits and events.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from clickhouse_connect.driver.client import Client

from streams.web.read._rows import first_segmentation, rows

__all__ = ["Lift", "name_of", "segment_lifts", "segment_names"]

_LIFTS = """
SELECT segment, kind, key, lift, low, high, share, share_all, people
FROM segment_cards
WHERE segmentation = {segmentation:String} AND kind IN {kinds:Array(String)}
  AND ({all:Bool} OR segment = {segment:Int64})
ORDER BY segment, kind, low DESC
LIMIT {most:UInt32} BY segment, kind
"""
_TITLES = """
SELECT toString(content_id), any(title) FROM content FINAL
WHERE content_id IN {ids:Array(UInt64)}
GROUP BY content_id
"""
#: A name is looked at again after so many seconds: evidence changes more slowly than sizes.
_KEEP_S = 15.0
_MOST, _MOST_TITLES = 30, 40
_SMALLEST_SHARE = 0.03
_WORD = re.compile(r"[^\W\d_]{3,}|[\u4e00-\u9fff]{2,}")
_EMPTY_WORDS = frozenset(
    {"the", "and", "for", "with", "from", "your", "you", "this", "that", "our", "how", "what", "are", "new"}
)


@dataclass(frozen=True, slots=True)
class Lift:
    """What a segment has more (or less) of: `lift` = `share` / `share_all`, with its 95 % interval `low` .. `high`.

    Of kind `category` and `event` the share is of people's own activity, of others the share of people; `people` are
    those of the sample who have it at all. Words (kind `word`) have no interval: all three are the lift.
    """

    kind: str
    key: str
    lift: float
    low: float
    high: float
    share: float
    share_all: float
    people: int


_known: WeakKeyDictionary[Client, dict[str, tuple[float, dict[int, str]]]] = WeakKeyDictionary()


def segment_names(client: Client, segmentation: str = "") -> dict[int, str]:
    """Return a name for each segment that evidence says something about; no two are the same."""
    name = first_segmentation(client, segmentation)
    of_client = _known.setdefault(client, {})
    kept = of_client.get(name)
    if kept is None or time.monotonic() - kept[0] > _KEEP_S:
        kept = (time.monotonic(), _names(client, name))
        of_client[name] = kept
    return kept[1]


def segment_lifts(
    client: Client, segmentation: str, kinds: Sequence[str], segment: int | None = None, most: int = _MOST
) -> dict[int, list[Lift]]:
    """Return the surest lifts of each kind, by segment (or of one)."""
    found: dict[int, list[Lift]] = defaultdict(list)
    asked = {"segmentation": segmentation, "kinds": list(kinds), "most": most}
    for of, *fields in rows(client, _LIFTS, **asked, all=segment is None, segment=segment or 0):
        found[of].append(Lift(*fields))
    return dict(found)


def name_of(lifts: Sequence[Lift], words: Sequence[Lift]) -> list[Lift]:
    """Return the evidence that makes a name, the surest first: up to four things that others surely have less of."""

    def sure(kind: str) -> list[Lift]:
        of_kind = [e for e in lifts if e.kind == kind and e.low > 1.0 and e.share >= _SMALLEST_SHARE]
        return sorted(of_kind, key=lambda e: -e.low * math.sqrt(e.share))

    return [*sure("category")[:2], *words[:2], *sure("trait")[:1], *sure("event")[:1]][:4]


def _names(client: Client, segmentation: str) -> dict[int, str]:
    lifts = segment_lifts(client, segmentation, ("category", "trait", "event"))
    words = segment_words(client, segmentation)
    names: dict[int, str] = {}
    for segment in sorted(lifts):
        parts = [_shown(e) for e in name_of(lifts[segment], words.get(segment, []))]
        for length in range(2, len(parts) + 1):
            names[segment] = ", ".join(dict.fromkeys(parts[:length]))
            if list(names.values()).count(names[segment]) == 1:
                break
        else:
            text = ", ".join(parts) or ("unlike the others" if segment == -1 else "")
            names[segment] = f"{text} ({segment})" if text in names.values() and text else text
    return {segment: text for segment, text in names.items() if text}


def segment_words(client: Client, segmentation: str, segment: int | None = None) -> dict[int, list[Lift]]:
    """Return words of the titles that a segment's people touch, the most telling first; kind `word`."""
    content = segment_lifts(client, segmentation, ("content",), None, _MOST_TITLES)
    ids = sorted({int(e.key) for entries in content.values() for e in entries})
    titles = dict(rows(client, _TITLES, ids=ids)) if ids else {}
    counts: dict[int, Counter[str]] = {}
    for of, entries in content.items():
        counts[of] = Counter()
        for entry in entries:
            for word in set(_WORD.findall(str(titles.get(entry.key, "")).casefold())) - _EMPTY_WORDS:
                counts[of][word] += entry.people
    return _c_tf_idf(counts) if segment is None else {segment: _c_tf_idf(counts).get(segment, [])}


def _c_tf_idf(counts: dict[int, Counter[str]]) -> dict[int, list[Lift]]:
    everywhere: Counter[str] = sum(counts.values(), Counter())
    average = everywhere.total() / max(len(counts), 1)
    found = {}
    for segment, words in counts.items():
        total = max(words.total(), 1)
        score = {word: n / total * math.log(1 + average / everywhere[word]) for word, n in words.items()}
        best = sorted(score, key=lambda word: -score[word])[:8]
        found[segment] = [_word(word, words[word], total, everywhere) for word in best]
    return found


def _word(word: str, n: int, total: int, everywhere: Counter[str]) -> Lift:
    share, share_all = n / total, everywhere[word] / everywhere.total()
    return Lift("word", word, share / share_all, share / share_all, share / share_all, share, share_all, n)


def _shown(evidence: Lift) -> str:
    text = evidence.key.split("=", 1)[-1] if evidence.kind == "trait" else evidence.key
    return text.strip()[:40]
