"""A segment's name: its most telling words, and what else sets it apart where words alone would not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b

import msgspec

from streams.web.naming.lifts import Lift
from streams.web.naming.terms import Term, distinctive_terms

__all__ = ["Evidence", "SegmentName", "as_written", "keep_names", "name_segments"]

#: How much commoner than among everybody, at the least, before it is worth a place in a name.
_WORTH_NAMING = 1.15
_TERMS, _LIFTS = 2, 2
_BETWEEN, _PARTS = {"en": ", ", "zh": "、"}, " · "
#: A term with less than this share of the leading one's score says little; the name goes without.
_WEAK = 0.3


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a segment, all of it sums over its people.

    Attributes
    ----------
    titles : mapping
        Title -> how often its people touched it.
    lifts : list of Lift
        What is commoner or rarer than among everybody.
    """

    titles: Mapping[str, float] = field(default_factory=dict)
    lifts: list[Lift] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SegmentName:
    """A name with what it was made of.

    Attributes
    ----------
    text : str
        Empty when there is no evidence yet; a page then says so in its own words.
    terms : tuple of Term
        From the titles.
    lifts : tuple of Lift
        From how people differ.
    made : str
        The name made of these where `text` is one that a language model has written of it, else empty.
    """

    text: str
    terms: tuple[Term, ...] = ()
    lifts: tuple[Lift, ...] = ()
    made: str = ""

    @property
    def origin(self) -> str:
        """What the name was made of, whatever the words, as a hash: what is kept of it holds nobody's words."""
        made_of = [term.text for term in self.terms], [(one.kind, one.key) for one in self.lifts]
        return blake2b(msgspec.json.encode(made_of), digest_size=16).hexdigest()


def name_segments(
    evidence: Mapping[int, Evidence], language: str, say: Callable[[Lift], str] = lambda lift: lift.key
) -> dict[int, SegmentName]:
    """Name all segments of a segmentation at once, so that no two have the same name.

    Parameters
    ----------
    evidence : mapping
        Segment -> what is known of it.
    language : str
        ``en`` or ``zh``: titles of that language are used; where a segment has none, those of the other.
    say : callable
        Puts a lift into a few words of that language.
    """
    titles = {segment: found.titles for segment, found in evidence.items()}
    terms = distinctive_terms(titles, language)
    others = distinctive_terms(titles, "en" if language == "zh" else "zh")
    parts: dict[int, tuple[list[Term], list[Lift]]] = {}
    for segment, found in evidence.items():
        known = terms[segment] or others[segment]
        sure = [lift for lift in found.lifts if lift.low > 1.0 and lift.lift >= _WORTH_NAMING]
        sure.sort(key=lambda lift: (-lift.low, lift.kind, lift.key))
        strong = [term for term in known if term.score >= _WEAK * known[0].score]
        parts[segment] = (strong, _of_different_kinds(sure))
    names: dict[int, SegmentName] = {}
    for segment, (words, lifts) in parts.items():
        names[segment] = _compose(words[:_TERMS], lifts[:_LIFTS], language, say)
    return _told_apart(names, parts, language, say)


def keep_names(
    before: Mapping[int, SegmentName], now: Mapping[int, SegmentName], evidence: Mapping[int, list[Term]]
) -> dict[int, SegmentName]:
    """Keep a name while its words are still among the telling ones: names should not flicker as counts move.

    Parameters
    ----------
    before, now : mapping
        Segment -> name, as shown and as newly made.
    evidence : mapping
        Segment -> the terms that tell it apart now, more of them than a name has.
    """
    kept = {}
    for segment, name in now.items():
        old = before.get(segment)
        telling = {term.text for term in evidence.get(segment, [])}
        stays = old is not None and old.text and old.terms and all(term.text in telling for term in old.terms)
        kept[segment] = old if stays and old is not None else name
    texts = [name.text for name in kept.values()]
    return kept if len(set(texts)) == len(texts) else dict(now)


def as_written(
    names: Mapping[int, SegmentName], written: Mapping[tuple[str, str], str], language: str
) -> dict[int, SegmentName]:
    """Return names with the text that was written of them where there is one; two of the same text stay as made.

    Parameters
    ----------
    names : mapping
        Segment -> name made from evidence.
    written : mapping
        (language, origin) -> text.
    language : str
        Of the names.
    """
    known = {segment: written.get((language, name.origin), "") for segment, name in names.items() if name.text}
    texts = [text for text in known.values() if text]
    return {
        segment: replace(name, text=text, made=name.text)
        if (text := known.get(segment, "")) and texts.count(text) == 1
        else name
        for segment, name in names.items()
    }


def _of_different_kinds(lifts: list[Lift]) -> list[Lift]:
    """Return the strongest of each kind first, then the rest: two hours say less than an hour and a device."""
    strongest: dict[str, Lift] = {}
    for lift in lifts:
        strongest.setdefault(lift.kind, lift)
    first = list(strongest.values())
    return first + [lift for lift in lifts if lift not in first]


def _compose(words: list[Term], lifts: list[Lift], language: str, say: Callable[[Lift], str]) -> SegmentName:
    between = _BETWEEN.get(language, ", ")
    topic = between.join(_title(term.text) if i == 0 else term.text for i, term in enumerate(words))
    habits = between.join(say(lift) for lift in lifts)
    return SegmentName(_PARTS.join(part for part in (topic, habits) if part), tuple(words), tuple(lifts))


def _title(word: str) -> str:
    return word[:1].upper() + word[1:]


def _told_apart(
    names: dict[int, SegmentName], parts: Mapping[int, tuple[list[Term], list[Lift]]], language: str,
    say: Callable[[Lift], str],
) -> dict[int, SegmentName]:  # fmt: skip
    """Give the same name to nobody twice: more evidence first, a number last."""
    for more in (1, 2, 3):
        texts = [name.text for name in names.values()]
        for segment, name in names.items():
            if name.text and texts.count(name.text) > 1:
                words, lifts = parts[segment]
                names[segment] = _compose(words[: _TERMS + more], lifts[: _LIFTS + more], language, say)
    used: dict[str, int] = {}
    for segment in sorted(names):
        name = names[segment]
        used[name.text] = used.get(name.text, 0) + 1
        if name.text and used[name.text] > 1:
            names[segment] = SegmentName(f"{name.text} ({used[name.text]})", name.terms, name.lifts)
    return names
