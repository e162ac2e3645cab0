"""What routes have in common: parameters, answers that aren't 200, pages of people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from fastapi import Path as InPath

from streams.web import read
from streams.web.live import Live

__all__ = ["REFUSALS", "AnyId", "Asked", "Limit", "PeoplePage", "SegmentId", "Segmentation", "Which", "people_page"]

REFUSALS: dict[int | str, dict[str, Any]] = {
    401: {"description": "no token, or one that is unknown, expired or revoked"},
    403: {"description": "the token has not the scope"},
    404: {"description": "there is no such thing"},
    429: {"description": "asked too often"},
    503: {"description": "ClickHouse is away"},
}

Segmentation = Annotated[
    str, Query(pattern=r"^([a-z][a-z0-9_]{0,63})?$", description="Name of a segmentation; the first one if empty.")
]
AnyId = Annotated[
    str, Query(alias="id", min_length=1, max_length=512, pattern=r"^[^\x00-\x1f]+$", description="Any id of a person.")
]
SegmentId = Annotated[int, InPath(ge=-1, le=2**62)]
Limit = Annotated[int, Query(ge=1, le=1_000)]
After = Annotated[str, Query(max_length=512, pattern=r"^[^\x00-\x1f]*$", description="From `next` of the page before.")]


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of a list."""

    after: After = ""
    limit: Limit = 100


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """People in the order of their ids; `next` is the address of the next page, None at the end."""

    items: list[read.PersonRow]
    next: str | None


def _live(request: Request) -> Live:
    live: Live = request.app.state.live
    return live


Asked = Annotated[Live, Depends(_live)]
Which = Annotated[Page, Depends()]


def people_page(request: Request, found: list[read.PersonRow], limit: int) -> PeoplePage:
    """Return a page with the address of the next one."""
    if len(found) < limit:
        return PeoplePage(found, None)
    query = {**request.query_params, "after": found[-1].profile_id}
    return PeoplePage(found, f"{request.url.path}?{urlencode(query)}")
