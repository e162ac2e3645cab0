"""Parts of an event of the Segment spec, typed: what is looked at by itself because it is new, rich or broken.

Only fields that userprism uses are named; the decoder skips the others without building them.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

__all__ = [
    "ABSENT",
    "TYPES",
    "Context",
    "Device",
    "Event",
    "Location",
    "Product",
    "Properties",
    "decode_context",
    "decode_properties",
    "encode_event",
]

#: Codes of the column `type`.
TYPES = {"track": 0, "page": 1, "screen": 2, "identify": 3, "group": 4, "alias": 5}

#: A Raw field can't be optional; this stands for its absence.
ABSENT = Raw()

_Id = str | int | None
_Number = float | None


class Product(Struct, gc=False, omit_defaults=True):
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


class Properties(Struct, gc=False, omit_defaults=True):
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
    video_url: str | None = None
    text: str | None = None
    body: str | None = None
    review_body: str | None = None
    query: str | None = None


class Device(Struct, gc=False):
    """What it was sent from."""

    type: str | None = None


class Location(Struct, gc=False):
    """Where it was sent from."""

    country: str | None = None


class Context(Struct, gc=False):
    """Where an event comes from."""

    device: Device | None = None
    location: Location | None = None
    traits: Raw = ABSENT


class Event(Struct, rename="camel", omit_defaults=True):
    """An event that had to be mended, on its way to becoming plain JSON."""

    type: str
    event: str | None = None
    user_id: _Id = None
    anonymous_id: _Id = None
    message_id: _Id = None
    timestamp: str | int | float | None = None
    original_timestamp: str | int | float | None = None
    sent_at: str | int | float | None = None
    received_at: str | int | float | None = None
    properties: Properties | None = None
    context: Raw = ABSENT
    traits: Raw = ABSENT
    channel: str | None = None


#: Writes an event again, so that whatever producers send takes one way into columns.
encode_event = msgspec.json.Encoder().encode
#: Raises msgspec.DecodeError for properties that need mending.
decode_properties = msgspec.json.Decoder(Properties).decode
#: Raises msgspec.DecodeError for a context that isn't what the spec says; None for null.
decode_context = msgspec.json.Decoder(Context | None).decode
