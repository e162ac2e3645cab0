"""Pieces of content, as a page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from streams.web.read._rows import rows

__all__ = ["ContentPiece", "content_pieces"]

_CONTENT = """
SELECT toString(content_id), any(kind), any(title), any(image_url), any(url), any(categories), any(brand), any(price)
FROM content FINAL WHERE content_id IN {ids:Array(UInt64)} GROUP BY content_id
"""


@dataclass(frozen=True, slots=True)
class ContentPiece:
    """A piece of content; the id is a number of 64 bits as text (JavaScript would round it)."""

    content_id: str
    kind: str
    title: str
    image_url: str
    url: str
    categories: list[str]
    brand: str
    price: float


def content_pieces(client: Client, ids: Sequence[int]) -> dict[str, ContentPiece]:
    """Return what is known of content, by id."""
    found = [ContentPiece(*row) for row in rows(client, _CONTENT, ids=list(ids))] if ids else []
    return {piece.content_id: piece for piece in found}
