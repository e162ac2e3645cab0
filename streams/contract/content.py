"""Content: what people touch, on its way from intake to the encoder. One JSON record a piece of content."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

import msgspec
import xxhash

__all__ = [
    "Content",
    "ContentError",
    "content_id_of",
    "decode_content",
    "encode_content",
    "hash_of",
    "merged",
    "normalised",
    "said_of",
    "text_of",
]

_LONGEST_TEXT = 8_000


class ContentError(ValueError):
    """Bytes that are no piece of content."""


class Content(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One piece of content.

    Attributes
    ----------
    content_id : int
        64-bit id, the same for the same item (or the same text) everywhere.
    kind : str
        ``item`` has an id of its own in the shop, ``text`` was written by a person, ``media`` is a picture or
        video alone.
    content_hash : int
        Of the text, picture and video that are encoded: the same isn't encoded twice.
    image_url, video_url : str
        Where they are, or they themselves as data URLs.
    """

    content_id: int
    kind: str
    content_hash: int
    item: str = ""
    title: str = ""
    text: str = ""
    categories: list[str] = []
    brand: str = ""
    url: str = ""
    image_url: str = ""
    video_url: str = ""
    price: float | None = None
    at_us: int = 0


#: What events say of content; a price of 0 says nothing.
_DESCRIBED = ("item", "title", "text", "categories", "brand", "url", "image_url", "video_url", "price")

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Content)


def encode_content(content: Content) -> bytes:
    """Return the record's value."""
    return _encoder.encode(content)


def decode_content(data: bytes) -> Content:
    """Read a record back.

    Raises
    ------
    ContentError
        Not such a record.
    """
    try:
        return _decoder.decode(data)
    except msgspec.DecodeError as error:
        msg = f"not a piece of content ({len(data)} bytes): {error}"
        raise ContentError(msg) from error


def normalised(text: str) -> str:
    """Return text as it is compared and encoded: NFKC, white space collapsed, at most 8,000 characters."""
    return " ".join(unicodedata.normalize("NFKC", text[: 2 * _LONGEST_TEXT]).split())[:_LONGEST_TEXT]


def content_id_of(kind: str, key: str) -> int:
    """Return the id of an item (by its key) or of a text (by its normalised self)."""
    return xxhash.xxh3_64_intdigest(f"{kind}\0{key}".encode("utf-8", "surrogatepass"))


def text_of(content: Content) -> str:
    """Return what an encoder reads: title and text, or what else the item says of itself."""
    return said_of(content.title, content.text, content.categories, content.brand)


def said_of(title: str, text: str, categories: Sequence[str], brand: str) -> str:
    """Return what an encoder reads of these."""
    return normalised(f"{title} {text}") or normalised(" ".join([*categories, brand]))


def hash_of(said: str, image_url: str, video_url: str) -> int:
    """Return the hash of what is encoded."""
    parts = "\0".join(part for part in (said, image_url, video_url) if part)
    return xxhash.xxh3_64_intdigest(parts.encode("utf-8", "surrogatepass"))


def merged(before: Content, later: Content) -> Content:
    """Return what both say of one piece of content: of each field the later, where it says anything.

    `before` itself when the later one adds nothing: an event that names a product by its id alone changes nothing.

    Examples
    --------
    >>> known = Content(content_id=1, kind="item", content_hash=0, item="p1", title="Skillet", price=30.0)
    >>> merged(known, Content(content_id=1, kind="item", content_hash=0, item="p1")) is known
    True
    >>> later = merged(known, Content(content_id=1, kind="item", content_hash=0, item="p1", price=20.0))
    >>> later.title, later.price
    ('Skillet', 20.0)
    """
    said = {name: getattr(later, name) or getattr(before, name) for name in _DESCRIBED}
    if all(said[name] == getattr(before, name) for name in _DESCRIBED):
        return before
    found = msgspec.structs.replace(before, **said, at_us=later.at_us)
    return msgspec.structs.replace(found, content_hash=hash_of(text_of(found), found.image_url, found.video_url))
