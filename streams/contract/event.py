"""An event of the Segment spec, typed: what the fast decoder reads, and what the tolerant one makes of everything else.

Only fields that userprism uses are named; the decoder skips the others without building them.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

__all__ = [
    "EMPTY_CONTEXT",
    "EMPTY_PROPERTIES",
    "NO_TRAITS",
    "TYPES",
    "Context",
    "Event",
    "Product",
    "Properties",
    "decode_event",
]

#: Codes of the column `type`.
TYPES = {"track": 0, "page": 1, "screen": 2, "identify": 3, "group": 4, "alias": 5}

#: A Raw field can't be optional; this stands for its absence.
NO_TRAITS = Raw()

_Id = str | int | None
_Number = float | None


class Product(Struct, gc=False):
    """One entry of `products`."""

    product_id: _Id = None
    sku: _Id = None
    category: str | None = None
    name: str | None = None
    brand: str | None = None
    price: _Number = None
    quantity: _Number = None
    url: str | None = None
    image_url: str | None = None


class Properties(Struct, gc=False):
    """The properties that mean something to us (e-commerce v2, and what people read and write)."""

    product_id: _Id = None
    sku: _Id = None
    content_id: _Id = None
    article_id: _Id = None
    name: str | None = None
    title: str | None = None
    category: str | list[str] | None = None
    categories: list[str] | None = None
    brand: str | None = None
    price: _Number = None
    quantity: _Number = None
    currency: str | None = None
    revenue: _Number = None
    total: _Number = None
    products: list[Product] | None = None
    url: str | None = None
    image_url: str | None = None
    text: str | None = None
    body: str | None = None
    review_body: str | None = None
    query: str | None = None


class _Device(Struct, gc=False):
    type: str | None = None


class _Location(Struct, gc=False):
    country: str | None = None


class Context(Struct, gc=False):
    """Where an event comes from."""

    device: _Device | None = None
    location: _Location | None = None
    traits: Raw = NO_TRAITS


class Event(Struct, rename="camel"):
    """One event; times are as they came, see `streams.contract.times`."""

    type: str = ""
    event: str | None = None
    user_id: _Id = None
    anonymous_id: _Id = None
    message_id: _Id = None
    timestamp: str | int | float | None = None
    original_timestamp: str | int | float | None = None
    sent_at: str | int | float | None = None
    received_at: str | int | float | None = None
    properties: Properties | None = None
    context: Context | None = None
    traits: Raw = NO_TRAITS
    channel: str | None = None
    group_id: _Id = None
    previous_id: _Id = None
    batch: Raw = NO_TRAITS


EMPTY_PROPERTIES = Properties()
EMPTY_CONTEXT = Context()

#: Raises msgspec.DecodeError for whatever isn't plainly one event; `tolerant` then says what it is.
decode_event = msgspec.json.Decoder(Event).decode


def device(kind: str | None) -> _Device | None:
    """Return the device part of a context."""
    return _Device(kind) if kind else None


def location(country: str | None) -> _Location | None:
    """Return the location part of a context."""
    return _Location(country) if country else None
