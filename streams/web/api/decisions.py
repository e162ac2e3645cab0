"""What can be asked to be decided: recommendations, audiences, prices and experiences."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from fastapi.responses import StreamingResponse

from streams.web import decide, read
from streams.web.api.auth import require
from streams.web.api.common import REFUSALS, AnyId, Asked, PeoplePage, Segmentation, Which, people_page
from streams.web.api.etag import TaggedRoute
from streams.web.live import Live

__all__ = ["changes", "decisions"]

decisions = APIRouter(
    prefix="/api/v1", route_class=TaggedRoute, dependencies=[Depends(require("read"))], responses=REFUSALS,
    tags=["decisions"],
)  # fmt: skip
#: What leaves something behind.
changes = APIRouter(prefix="/api/v1", dependencies=[Depends(require("write"))], responses=REFUSALS, tags=["decisions"])

T = TypeVar("T")

AudienceName = Annotated[str, InPath(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
ListPrice = Annotated[float, Query(alias="price", ge=0, le=1e12, description="The list price, in the shop's money.")]
#: People of an export's each query.
_AT_ONCE = 20_000
_NOBODY = "nobody has that id; an anonymous person's id is anon: and the anonymousId"


@decisions.get("/person/recommendations")
async def recommendations(
    live: Asked, any_id: AnyId, segmentation: Segmentation = "", limit: Annotated[int, Query(ge=1, le=100)] = 10,
    kind: Annotated[str, Query(pattern="^(item|text|media)$")] = "item",
) -> decide.Recommendations:  # fmt: skip
    """Return content near what a person likes and content that their segment touches, without what they know."""
    profile_id = await live.ask(read.holder, any_id)
    return _there(await live.ask(decide.recommendations, profile_id, segmentation, limit=limit, kind=kind))


@decisions.get("/person/price")
async def price(live: Asked, any_id: AnyId, list_price: ListPrice) -> decide.Price:
    """Return the price that a person gets by the declared tiers, and why; nothing is recorded."""
    return _there(await live.ask(decide.price_of, await live.ask(read.holder, any_id), list_price))


@changes.post("/person/price")
async def charged(live: Asked, any_id: AnyId, list_price: ListPrice) -> decide.Price:
    """Decide a price and record it, with its reason, in the table `price_decisions`."""
    return _there(await live.tell(decide.record_price, await live.ask(read.holder, any_id), list_price))


@decisions.get("/person/experiences")
async def experiences(live: Asked, any_id: AnyId) -> decide.Experiences:
    """Return which variant a person sees in each slot by the declared rules, and why; nothing is recorded."""
    profile_id, known = await live.ask(read.holder, any_id), await live.ask(decide.outcomes)
    return _there(await live.ask_anew(decide.experiences_of, profile_id, known))


@changes.post("/person/experiences")
async def exposed(live: Asked, any_id: AnyId) -> decide.Experiences:
    """Decide what a person sees, and record what bandits chose in the table `exposures`: they learn from these."""
    profile_id, known = await live.ask(read.holder, any_id), await live.ask(decide.outcomes)
    return _there(await live.tell(decide.record_experiences, profile_id, known, forget=False))


@decisions.get("/experiences")
async def results(live: Asked) -> list[decide.Results]:
    """Return what came of the variants among which bandits choose, in each segment."""
    return decide.results_of(live.settings, await live.ask(decide.outcomes))


@decisions.get("/audiences")
async def audiences(live: Asked) -> list[decide.Audience]:
    """Return the saved audiences, by name."""
    return await live.ask(decide.audiences)


@changes.put("/audiences/{name}")
async def save_audience(live: Asked, name: AudienceName, definition: decide.Definition) -> decide.Audience:
    """Save an audience, instead of the one that had the name."""
    faults = definition.faults()
    if faults:
        raise HTTPException(422, faults)
    return await live.tell(decide.save_audience, name, definition)


@changes.delete("/audiences/{name}", status_code=204)
async def delete_audience(live: Asked, name: AudienceName) -> Response:
    """Forget an audience; nobody in it is touched."""
    if not await live.tell(decide.delete_audience, name):
        raise HTTPException(404, f"there is no audience {name!r}")
    return Response(status_code=204)


@decisions.get("/audiences/{name}")
async def audience(live: Asked, name: AudienceName) -> decide.AudienceSize:
    """Return an audience and how many people belong to it now."""
    return _there(await live.ask(decide.audience_size, name, _consent(live)), f"there is no audience {name!r}")


@decisions.get("/audiences/{name}/people")
async def audience_people(request: Request, live: Asked, name: AudienceName, page: Which) -> PeoplePage:
    """Return the people of an audience, page by page."""
    found = await live.ask(decide.audience_people, name, after=page.after, limit=page.limit)
    return people_page(request, _there(found, f"there is no audience {name!r}"), page.limit)


@decisions.get(
    "/audiences/{name}/people.{form}",
    response_class=StreamingResponse,
    responses={200: {"content": {media: {"schema": {"type": "string"}} for media, _ in decide.EXPORTS.values()}}},
)
async def audience_file(live: Asked, name: AudienceName, form: Literal["csv", "parquet"]) -> StreamingResponse:
    """Return the people of an audience who may leave as a file: id, segment, events, newest event, traits."""
    found = await live.ask_anew(decide.audience_people, name, limit=_AT_ONCE, consent=_consent(live))
    if found is None:
        raise HTTPException(404, f"there is no audience {name!r}")
    media, export = decide.EXPORTS[form]
    named = {"Content-Disposition": f'attachment; filename="{name}.{form}"', "Cache-Control": "private, no-store"}
    return StreamingResponse(_pieces(live, name, found, export()), media_type=media, headers=named)


async def _pieces(live: Live, name: str, people: list[read.PersonRow], export: decide.Export) -> AsyncIterator[bytes]:
    yield await asyncio.to_thread(export.add, people)
    while len(people) == _AT_ONCE:
        after = people[-1].profile_id
        more = await live.ask_anew(
            decide.audience_people, name, after=after, limit=_AT_ONCE, consent=_consent(live)
        )
        people = more or []
        yield await asyncio.to_thread(export.add, people)
    yield export.end()


@changes.post("/audiences/{name}/publish")
async def publish_audience(live: Asked, name: AudienceName) -> decide.Published:
    """Write a record for each person of an audience who may leave into the topic of audiences."""
    return _there(await live.tell(decide.publish_audience, name, forget=False), f"there is no audience {name!r}")


def _consent(live: Live) -> tuple[decide.Condition, ...]:
    return tuple(decide.condition_of(one) for one in live.settings.audiences.consent)


def _there(found: T | None, missing: str = _NOBODY) -> T:
    if found is None:
        raise HTTPException(404, missing)
    return found
