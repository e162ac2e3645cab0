"""What can be asked over HTTP: every function of `streams.web.read` has a route."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request

from streams.web import read
from streams.web.api.auth import require
from streams.web.api.common import (
    REFUSALS,
    AnyId,
    Asked,
    Limit,
    PeoplePage,
    Segmentation,
    SegmentId,
    Which,
    people_page,
)
from streams.web.api.etag import TaggedRoute

__all__ = ["router"]

router = APIRouter(
    prefix="/api/v1", route_class=TaggedRoute, dependencies=[Depends(require("read"))], responses=REFUSALS
)


@router.get("/overview")
async def overview(live: Asked, segmentation: Segmentation = "") -> read.Overview:
    """Return what one sees first: sizes, speed, freshness, trouble."""
    return await live.ask(read.overview, segmentation)


@router.get("/segmentations")
async def segmentations(live: Asked) -> list[str]:
    """Return the names of the segmentations, the first one first."""
    return await live.ask(read.segmentations)


@router.get("/segments")
async def segments(live: Asked, segmentation: Segmentation = "") -> read.SegmentsNow:
    """Return the segments that have people now, the biggest first."""
    return await live.ask(read.segments_now, segmentation)


@router.get("/segments/{segment}")
async def segment(live: Asked, segment: SegmentId, segmentation: Segmentation = "") -> read.Card:
    """Return a segment's persona card, with the evidence."""
    card = await live.ask(read.segment_card, segment, segmentation)
    if card is None:
        raise HTTPException(404, f"nobody is in segment {segment}")
    return card


@router.get("/segments/{segment}/people")
async def segment_people(
    request: Request, live: Asked, segment: SegmentId, page: Which, segmentation: Segmentation = ""
) -> PeoplePage:
    """Return the people of a segment, page by page."""
    found = await live.ask(read.people, segment=segment, segmentation=segmentation, after=page.after, limit=page.limit)
    return people_page(request, found, page.limit)


@router.get("/people")
async def people(request: Request, live: Asked, page: Which) -> PeoplePage:
    """Return everybody, page by page."""
    return people_page(request, await live.ask(read.people, after=page.after, limit=page.limit), page.limit)


@router.get("/person")
async def person(live: Asked, any_id: AnyId, segmentation: Segmentation = "") -> read.Person:
    """Return one person by any of their ids: segments, timeline, links, what they touched."""
    found = await live.ask(read.person, any_id, segmentation)
    if found is None:
        raise HTTPException(404, "nobody has that id; an anonymous person's id is anon: and the anonymousId")
    return found


@router.get("/person/why")
async def why(live: Asked, any_id: AnyId, segmentation: Segmentation = "") -> read.Why:
    """Return why a person is in their segment: distances to all centres, and which part of their vector decides."""
    found = await live.ask(read.why_this_segment, any_id, segmentation)
    if found is None:
        raise HTTPException(404, "nobody has that profile id, or there is no model with centres")
    return found


@router.get("/map")
async def people_map(
    live: Asked, segmentation: Segmentation = "", people: Annotated[int, Query(ge=1, le=5_000)] = 1_000
) -> read.PeopleMap:
    """Return a sample of people and all centres in two dimensions, the same while the model's version holds."""
    found = await live.ask(read.people_map, segmentation, people=people)
    if found is None:
        raise HTTPException(404, "there is no model with centres")
    return found


@router.get("/sizes")
async def sizes(
    live: Asked, segmentation: Segmentation = "", minutes: Annotated[int, Query(ge=1, le=527_040)] = 60,
    points: Annotated[int, Query(ge=1, le=1_000)] = 120,
) -> read.SizesOverTime:  # fmt: skip
    """Return how many people each segment had, up to a year back."""
    return await live.ask(read.sizes_over_time, segmentation, minutes=minutes, points=points)


@router.get("/flows")
async def flows(
    live: Asked, segmentation: Segmentation = "", hours: Annotated[int, Query(ge=1, le=8_784)] = 24
) -> read.Flows:
    """Return who went from where to where."""
    return await live.ask(read.flows, segmentation, hours=hours)


@router.get("/stability")
async def stability(
    live: Asked, segmentation: Segmentation = "", minutes: Annotated[int, Query(ge=1, le=10_080)] = 180
) -> read.Stability:
    """Return moves per minute and the versions of the model."""
    return await live.ask(read.stability, segmentation, minutes=minutes)


@router.get("/alerts")
async def alerts(live: Asked, limit: Limit = 100) -> list[read.Alert]:
    """Return the newest alerts."""
    return await live.ask(read.alerts, limit=limit)


@router.get("/health")
async def health(live: Asked, minutes: Annotated[int, Query(ge=1, le=10_080)] = 60) -> read.Health:
    """Return how the pipeline is: freshness, positions, dead letters, refusals."""
    return await live.ask(read.health, minutes=minutes)
