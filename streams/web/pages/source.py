"""What all views read from, and what segments are called and coloured, everywhere the same."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from streams.settings import Settings
from streams.storage.written_names import written_names
from streams.web.live import Live
from streams.web.naming import (
    Evidence,
    Lift,
    SegmentName,
    Term,
    as_written,
    distinctive_terms,
    keep_names,
    name_segments,
)
from streams.web.pages.charts import colour
from streams.web.pages.texts import LANGUAGES, Texts, texts
from streams.web.read import SegmentsNow, segment_evidence, segmentations, segments_now

__all__ = ["CEASED", "Labels", "Source", "daypart", "say_lift"]

_TELLING = 12
_MOST_KEPT = 500
#: Stands for all segments that have ceased to exist; ClickHouse knows no such label.
CEASED = -99
_SPECIAL = {-1: "segment.unlike", -2: "segment.newcomers", CEASED: "segment.ceased"}


@dataclass(frozen=True, slots=True)
class Labels:
    """Names and colours of the segments of one segmentation.

    Attributes
    ----------
    segmentation : str
        Its name, also where none was asked for.
    segmentations : list of str
        All there are.
    names : dict
        Language -> segment -> name with its evidence.
    places : dict
        Segment -> place in the palette.
    """

    segmentation: str = ""
    segmentations: list[str] = field(default_factory=list)
    names: dict[str, dict[int, SegmentName]] = field(default_factory=dict)
    places: dict[int, int] = field(default_factory=dict)

    def name(self, segment: int, text: Texts) -> str:
        """Return what a segment is called; one without evidence yet is called by its number."""
        if segment < 0:
            return text(_SPECIAL.get(segment, "segment.none"))
        named = self.names.get(text.language, {}).get(segment)
        return named.text if named and named.text else text("segment.unnamed", number=str(segment))

    def still(self, segment: int) -> int:
        """Return the segment, or what stands for all those in which nobody is any more: they have names no longer."""
        return segment if segment < 0 or segment in self.places else CEASED

    def colour(self, segment: int) -> str:
        """Return a segment's colour."""
        return colour(self.places.get(segment, -1))


@dataclass(frozen=True, slots=True)
class _Made:
    """Names by language, and what they were made of."""

    evidence: Mapping[int, Evidence]
    names: dict[str, dict[int, SegmentName]]


class Source:
    """Reads for views.

    Parameters
    ----------
    live : Live
        Asks ClickHouse once for all who ask the same.
    settings : Settings
        Where roles leave their status, and how pages are to be.
    """

    def __init__(self, live: Live, settings: Settings) -> None:
        self.live, self.settings = live, settings
        self._made: dict[str, _Made] = {}
        self._making = asyncio.Lock()
        self._places: dict[str, dict[int, int]] = {}
        self._slow: OrderedDict[Any, Any] = OrderedDict()

    async def ask(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return what a function of `streams.web.read` finds."""
        return await self.live.ask(function, *args, **kwargs)

    async def ask_within(self, seconds: float, function: Callable[..., Any], *args: Any) -> tuple[bool, Any]:
        """Return (True, answer) of a question that takes long: the answer before this one where it isn't there in time.

        Without any answer yet it is (False, None); the question goes on, and who asks again finds the answer.
        """
        key = (function, args)
        task = asyncio.ensure_future(self.ask(function, *args))
        task.add_done_callback(partial(self._remember, key))
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if done:
            return True, task.result()
        return key in self._slow, self._slow.get(key)

    def _remember(self, key: Any, task: asyncio.Future[Any]) -> None:
        if task.cancelled() or task.exception() is not None:
            return
        self._slow[key] = task.result()
        self._slow.move_to_end(key)
        while len(self._slow) > _MOST_KEPT:
            self._slow.popitem(last=False)

    async def labels(self, segmentation: str, segments: Iterable[int] = ()) -> Labels:
        """Return names of a segmentation's segments, and colours of those that have people now and of `segments`."""
        named, now = await asyncio.gather(self.named(segmentation), self.ask(segments_now, segmentation))
        return self.coloured(named, now, segments)

    async def named(self, segmentation: str) -> Labels:
        """Return names of a segmentation's segments, without colours: what can be read beside the rest of a page."""
        known = await self.ask(segmentations)
        name = segmentation or next(iter(known), "")
        if not name:
            return Labels(segmentations=known, names={language: {} for language in LANGUAGES})
        evidence: Mapping[int, Evidence]
        written: Mapping[tuple[str, str], str]
        evidence, written = await asyncio.gather(self.ask(segment_evidence, name), self.ask(written_names, name))
        made = await self._names(name, evidence)
        names = {language: as_written(made[language], written, language) for language in LANGUAGES}
        return Labels(name, known, names)

    def coloured(self, named: Labels, now: SegmentsNow, segments: Iterable[int] = ()) -> Labels:
        """Return what was named with the colours of the segments that have people now, and of `segments`."""
        present = (one.segment for one in now.segments)
        return replace(named, places=self._place(named.segmentation, {*segments, *present}))

    async def _names(self, segmentation: str, evidence: Mapping[int, Evidence]) -> dict[str, dict[int, SegmentName]]:
        """Return names by language, made anew when there is other evidence: in a thread, and once for all who wait."""
        async with self._making:
            made = self._made.get(segmentation)
            if made is None or made.evidence != evidence:
                before = made.names if made is not None else {}
                names = await asyncio.to_thread(_make_names, before, evidence)
                made = self._made[segmentation] = _Made(evidence, names)
        return made.names

    def _place(self, segmentation: str, segments: Iterable[int]) -> dict[int, int]:
        """Give each segment the first colour that no other one has, and let it keep it."""
        held = self._places.get(segmentation, {})
        here = {segment for segment in segments if segment >= 0}
        kept = {segment: place for segment, place in held.items() if segment in here}
        for segment in sorted(here - kept.keys()):
            taken = set(kept.values())
            kept[segment] = next(place for place in range(len(taken) + 1) if place not in taken)
        self._places[segmentation] = kept
        return kept


def _make_names(
    before: Mapping[str, Mapping[int, SegmentName]], evidence: Mapping[int, Evidence]
) -> dict[str, dict[int, SegmentName]]:
    """Name segments in all languages; names that still tell stay (`before`)."""
    titles = {segment: found.titles for segment, found in evidence.items()}
    names = {}
    for language in LANGUAGES:
        fresh = name_segments(evidence, language, partial(say_lift, text=texts(language)))
        telling: dict[int, list[Term]] = distinctive_terms(titles, language, _TELLING)
        names[language] = keep_names(before.get(language, {}), fresh, telling)
    return names


def say_lift(lift: Lift | Any, text: Texts) -> str:
    """Return a lift in a few words: names of ours are put into the language, those of the data stay as they are."""
    if lift.kind == "hour":
        return text(f"daypart.{daypart(int(lift.key))}")
    if lift.kind == "weekday":
        return text(f"weekday.{lift.key}")
    if lift.kind == "trait":
        name, _, value = lift.key.partition("=")
        return text.or_else(f"trait.{name}.{value}", value or name)
    return text.or_else(f"{lift.kind}.{lift.key}", str(lift.key))


def daypart(hour: int) -> str:
    """Return the part of a day that an hour (UTC) belongs to."""
    return "night" if hour < 6 else "morning" if hour < 11 else "midday" if hour < 14 else (
        "afternoon" if hour < 18 else "evening"
    )  # fmt: skip
