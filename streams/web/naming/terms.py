"""Which words set a segment's titles apart: class-based TF-IDF, for languages with and without spaces."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

__all__ = ["Term", "distinctive_terms", "language_of", "tokens"]

_LATIN = re.compile(r"[^\W\d_]{3,}", re.UNICODE)
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
#: Chinese has no spaces: every run of two to four characters may be a word, and the sums say which are.
_HAN_LENGTHS = (2, 3, 4)
_STOP = frozenset((
    "the", "and", "for", "with", "from", "you", "your", "our", "are", "was", "were", "this", "that", "into", "over",
    "all", "new", "how", "what", "why", "who", "its", "has", "have", "not", "but", "out", "about", "more", "most",
    "best", "very", "one", "two", "can", "will", "set", "pack",
))  # fmt: skip
#: A shorter run that mostly occurs inside a longer one is a part of that word, not a word.
_PART_OF_A_WORD = 0.75
#: A word that one person's reading brought about says nothing of a segment.
_LEAST_WEIGHT = 2.0
#: The end of a title is as good as two neighbours.
_EDGE = "<>"
#: So many of the best are asked whether they are whole words.
_LOOKED_AT = 60

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Term:
    """A word, and by how much it belongs to a segment.

    Attributes
    ----------
    text : str
        Latin words in small letters.
    score : float
        c-TF-IDF; comparable within one segment only.
    weight : float
        How often the segment's people touched titles that hold it.
    """

    text: str
    score: float
    weight: float


def language_of(title: str) -> str:
    """Return ``zh`` for a title with Chinese characters in it, else ``en``.

    Examples
    --------
    >>> language_of("Cast iron skillet"), language_of("铸铁煎锅")
    ('en', 'zh')
    """
    return "zh" if _HAN.search(title) else "en"


def tokens(title: str, language: str) -> list[str]:
    """Return what may be a word in a title: words and pairs of neighbours, or runs of Chinese characters.

    Examples
    --------
    >>> tokens("The cast-iron Skillet", "en")
    ['cast', 'iron', 'skillet', 'cast iron', 'iron skillet']
    >>> tokens("煎锅", "zh")
    ['煎锅']
    """
    if language == "zh":
        return [
            run[start : start + length]
            for run in _HAN.findall(title)
            for length in _HAN_LENGTHS
            for start in range(len(run) - length + 1)
        ]
    words = [found.lower() for found in _LATIN.findall(title)]
    pairs = [f"{first} {second}" for first, second in pairwise(words) if not {first, second} & _STOP]
    return [word for word in words if word not in _STOP] + pairs


def distinctive_terms(
    titles: Mapping[Key, Mapping[str, float]], language: str, most: int = 6
) -> dict[Key, list[Term]]:
    """Return for each segment the words that its titles have and others' don't, the most telling first.

    Parameters
    ----------
    titles : mapping
        Segment -> title -> weight (how many people touched it, say). Titles in another language are passed over.
    language : str
        ``en`` or ``zh``.
    most : int
        Terms for each segment.

    Notes
    -----
    c-TF-IDF (Grootendorst 2022, "BERTopic", eq. 2): W(t, c) = tf(t, c) * log(1 + A / f(t)), tf as a share of the class,
    A the average number of words a class has, f(t) how often t occurs in all.
    """
    counts: dict[Key, Counter[str]] = {}
    free = _free_runs(titles) if language == "zh" else None
    for segment, weighted in titles.items():
        counted: Counter[str] = Counter()
        for title, weight in weighted.items():
            if language_of(title) == language:
                for word in set(tokens(title, language)):
                    counted[word] += weight  # type: ignore[assignment]
        counts[segment] = counted
    everywhere: Counter[str] = Counter()
    for counted in counts.values():
        everywhere.update(counted)
    average = sum(everywhere.values()) / max(len(counts), 1)
    found: dict[Key, list[Term]] = {}
    for segment, counted in counts.items():
        total = sum(counted.values())
        scored = [
            Term(word, weight / total * math.log(1 + average / everywhere[word]), float(weight))
            for word, weight in counted.items()
            if weight >= _LEAST_WEIGHT
        ]
        if free is not None:
            scored = [term for term in scored if term.text in free]
        scored.sort(key=lambda term: (-term.score, -len(term.text), term.text))
        found[segment] = _whole_words(scored, counted, language)[:most]
    return found


def _free_runs(titles: Mapping[Key, Mapping[str, float]]) -> set[str]:
    """Return the runs that may be words: on either side they end a title, or meet at least two different characters."""
    sides: dict[str, tuple[set[str], set[str]]] = {}
    for title in {title for weighted in titles.values() for title in weighted}:
        for run in _HAN.findall(title):
            for length in _HAN_LENGTHS:
                for start in range(len(run) - length + 1):
                    end = start + length
                    left, right = sides.setdefault(run[start:end], (set(), set()))
                    left.update(_EDGE if start == 0 else run[start - 1])
                    right.update(_EDGE if end == len(run) else run[end])
    return {run for run, (left, right) in sides.items() if min(len(left), len(right)) > 1}


def _whole_words(scored: list[Term], counted: Mapping[str, float], language: str) -> list[Term]:
    """Drop what is a part of a longer word, and what overlaps one that is kept already."""
    holders: dict[str, set[str]] = defaultdict(set)
    for word in counted:
        for part in _parts(word, language):
            holders[part].add(word)
    kept: list[Term] = []
    taken: set[str] = set()
    for term in scored[:_LOOKED_AT]:
        parts = _parts(term.text, language)
        holding = set.intersection(*(holders[part] for part in parts))
        inside = (counted[w] for w in holding if len(w) > len(term.text) and parts < _parts(w, language))
        if max(inside, default=0.0) >= _PART_OF_A_WORD * term.weight:
            continue
        if parts & taken:
            continue
        kept.append(term)
        taken |= parts
    return kept


def _parts(term: str, language: str) -> set[str]:
    """Return what two terms must not share: two characters in a row, or a word."""
    return {term[i : i + 2] for i in range(len(term) - 1)} if language == "zh" else set(term.split())
