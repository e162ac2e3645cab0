"""Content: what people touch, on its way from intake to the encoder. One JSON record a piece of content."""

from __future__ import annotations

import unicodedata

import msgspec
import xxhash

__all__ = ["Content", "ContentError", "content_id_of", "decode_content", "encode_content", "normalised", "text_of"]

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
    said = normalised(f"{content.title} {content.text}")
    return said or normalised(" ".join([*content.categories, content.brand]))
