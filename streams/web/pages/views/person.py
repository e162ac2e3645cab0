"""One person: who they are in a few sentences, why they are in their segment, and what happened when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from streams.web.pages.charts import Options, axis_time, base
from streams.web.pages.portrait import portrait
from streams.web.pages.source import Labels, Source
from streams.web.pages.view import Card, Look, Shown, View
from streams.web.pages.views._common import ms, now, row, segmentation_of
from streams.web.read import Person, PersonRow, Why, people, person, why_this_segment

__all__ = ["PERSON"]

_LONGEST_ID = 600
_LISTED, _TOUCHES, _CHANGES, _NUMBERS, _RIVALS = 25, 12, 12, 24, 5
#: A person is shown when their vector isn't made yet (s).
_PATIENCE_S = 1.0


@dataclass(frozen=True, slots=True)
class _Read:
    asked: str
    after: str
    person: Person | None
    people: list[PersonRow]
    labels: Labels
    why: Why | None = None
    why_known: bool = True


def _arguments(asked: Mapping[str, str]) -> tuple[str, str, str]:
    found, after = asked.get("id", "").strip(), asked.get("after", "")
    if len(found) > _LONGEST_ID or len(after) > _LONGEST_ID:
        raise ValueError(len(found))
    return found, after, segmentation_of(asked)


async def _read(source: Source, asked: tuple[str, str, str]) -> _Read:
    wanted, after, segmentation = asked
    labels = await source.labels(segmentation)
    found = await source.ask(person, wanted) if wanted else None
    if found is None:
        listed = await source.ask(people, segmentation=segmentation, after=after, limit=_LISTED)
        return _Read(wanted, after, None, listed, labels)
    known, why = await source.ask_within(_PATIENCE_S, why_this_segment, found.profile_id, labels.segmentation)
    return _Read(wanted, after, found, [], labels, why, known)


def _show(read: _Read, look: Look) -> Shown:
    text, found, labels = look.text, read.person, read.labels
    shown = Shown(found.profile_id if found else text("person.title"), text("person.lead"))
    values: dict[str, Any] = {"asked": read.asked, "found": found, "now": now()}
    if found is None:
        listed = [{"row": one, "of": row(labels, one.segment, look)} for one in read.people]
        values |= {"people": listed, "more": read.people[-1].profile_id if len(read.people) == _LISTED else ""}
        shown.html = PERSON.blocks(look, **_NOBODY, **values)
        return shown
    segment = found.segments.get(labels.segmentation, next(iter(found.segments.values()), -2))
    said = portrait(found, text)
    shown.lead = text("person.one.lead", segment=labels.name(segment, text))
    values |= {
        "people": [], "more": "", "said": said, "of": row(labels, segment, look),
        "changes": [
            {"at": one.at, "from": row(labels, labels.still(one.from_segment), look),
             "to": row(labels, labels.still(one.to_segment), look),
             "id": one.profile_id if one.profile_id != found.profile_id else ""}
            for one in found.changes[:_CHANGES]
        ],
        "touches": found.touches[:_TOUCHES], "numbers": sorted(found.features.items())[:_NUMBERS],
        **_why(read, look),
        "segments": [
            {"segmentation": name, **row(labels, one, look)} if name == labels.segmentation
            else {"segmentation": name, "name": str(one), "colour": "var(--none)",
                  "href": f"/segments/{one}?segmentation={name}"}
            for name, one in found.segments.items()
        ],
    }  # fmt: skip
    shown.html = PERSON.blocks(look, **values)
    if found.changes:
        shown.charts["timeline"] = _timeline(found, labels, look)
        shown.said["timeline"] = text("person.timeline.said", n=len(found.changes))
    return shown


def _why(read: _Read, look: Look) -> dict[str, Any]:
    """Return what decides: how far the nearest middles are, and which part of the vector makes theirs the nearest."""
    if read.why is None:
        return {"why": None, "why_known": read.why_known, "rivals": [], "reasons": []}
    furthest = max((one.distance for one in read.why.rivals[:_RIVALS]), default=0.0) or 1.0
    return {
        "why": read.why, "why_known": True,
        "rivals": [
            {**row(read.labels, one.segment, look), "distance": one.distance, "bar": one.distance / furthest,
             "own": one.segment == read.why.segment}
            for one in read.why.rivals[:_RIVALS]
        ],
        "reasons": [
            {"text": look.text.or_else(f"part.{one.part}", one.part), "share": one.share} for one in read.why.reasons
        ],
    }  # fmt: skip


_NOBODY: dict[str, Any] = {
    "why": None, "why_known": True, "rivals": [], "reasons": [], "said": [], "of": None, "changes": [],
    "touches": [], "numbers": [], "segments": [],
}  # fmt: skip


def _timeline(found: Person, labels: Labels, look: Look) -> Options:
    """Return which segment the person was in, when: a bar for each stay, a line for each segment."""
    moves = sorted(found.changes, key=lambda one: one.at)
    until = max(found.last_seen, moves[-1].at)
    stays = [
        (labels.still(one.to_segment), one.at, later.at if later else until)
        for one, later in zip(moves, [*moves[1:], None], strict=True)
        if one.to_segment >= -1
    ]
    segments = list(dict.fromkeys(segment for segment, _, _ in stays))
    series = [
        {
            "type": "line", "id": f"stay {i}", "name": labels.name(segment, look.text), "symbol": "circle",
            "symbolSize": 8,
            "data": [[ms(begin), segments.index(segment)], [ms(end), segments.index(segment)]],
            "lineStyle": {"color": labels.colour(segment), "width": 8, "cap": "round"},
            "itemStyle": {"color": labels.colour(segment)}, "emphasis": {"disabled": True},
        }
        for i, (segment, begin, end) in enumerate(stays)
    ]  # fmt: skip
    return base(
        useUTC=True, tooltip={"show": False}, xAxis=axis_time(),
        yAxis={
            "type": "category", "data": [labels.name(segment, look.text) for segment in segments], "inverse": True,
            "axisLine": {"show": False}, "axisTick": {"show": False}, "splitLine": {"show": False},
            "axisLabel": {"color": "var(--ink)", "fontSize": 12, "width": 180, "overflow": "truncate"},
        },
        series=series,
    )  # fmt: skip


PERSON = View(
    name="person",
    path="/person",
    cards=(
        Card("find", "w12 bare"), Card("list", "w12"), Card("portrait", "w7"), Card("facts", "w5"),
        Card("why", "w5"), Card("timeline", "w7", "chart short"),
        Card("touches", "w4"), Card("ids", "w4"), Card("numbers", "w4"),
    ),
    every_s=3.0,
    arguments=_arguments,
    read=_read,
    show=_show,
)
