"""What an event touches: items of the shop, things people wrote, and the categories of both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import repeat
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.contract.block import Names
from streams.contract.content import Content, content_id_of, hash_of, normalised, said_of
from streams.contract.event import Product, Properties
from streams.contract.said import Said

__all__ = ["Items"]

_KEPT = 200_000
_MOST_CATEGORIES = 32
_MOST_PRODUCTS = 200
_LONGEST_NAME = 256
_LONGEST_URL = 2_048
#: A picture or short video in the event itself; a record of content stays below Kafka's 1 MB.
_LONGEST_DATA_URL = 700_000
#: The key of an event without an item, and what is said of a key that isn't remembered.
_NOTHING = b""
_UNKNOWN: list[int] = []


class Items:
    """Finds the content of events, and remembers (boundedly) what was already sent to the encoder.

    What is sent holds what ONE event says; the encoder merges it with what was said before. What is sent twice because
    memory is bounded, or because intake restarted, does no harm.
    """

    def __init__(self) -> None:
        self._known: dict[bytes, list[int]] = {_NOTHING: []}
        self._said = Said(_KEPT)
        self._new: list[Content] = []

    def of_many(
        self, keys: pa.DictionaryArray, categories: Names, rich: Mapping[int, Properties],
        properties: Callable[[int], Properties], at_us: npt.NDArray[np.int64],
    ) -> tuple[pa.ListArray, pa.ListArray]:  # fmt: skip
        """Return the categories and the content ids that each event touches; new content waits in `take_new`.

        Parameters
        ----------
        keys : pyarrow.DictionaryArray of binary
            What tells one item from another, null where an event has no item.
        categories : Names
            Each event's one category.
        rich : mapping
            Event -> its properties, for those that say more than that.
        properties : callable
            Returns the properties of any other event.
        at_us : ndarray of int64
            When each event happened.
        """
        written = [*keys.dictionary.to_pylist(), _NOTHING]
        codes = keys.indices.fill_null(len(written) - 1).to_numpy().astype(np.int64)
        codes[list(rich)] = np.arange(len(written), len(written) + len(rich))
        last = np.full(len(written) + len(rich), -1, np.int64)
        last[codes] = np.arange(len(codes))  # of several the last one written stays
        contents = list(map(self._known.get, written, repeat(_UNKNOWN)))
        named = [list(_clean([name])) for name in categories.values.to_pylist()]
        named.append([])  # for whoever has none: code -1
        places = np.where(categories.codes < 0, len(named) - 1, categories.codes)
        # In the order in which each was said last: what is newest counts.
        todo = [(int(last[code]), code) for code, known in enumerate(contents) if known is _UNKNOWN and last[code] >= 0]
        todo += [(row, len(written) + number) for number, row in enumerate(rich)]
        contents += [_UNKNOWN] * len(rich)
        heapify(todo)
        place: dict[bytes, int] = {}
        while todo:
            row, code = heappop(todo)
            key = written[code] if code < len(written) else None
            p = properties(row) if key is not None else rich[row]
            several, contents[code], outdated = self._read(p, int(at_us[row]), key)
            if key is None:
                places[row] = len(named)
                named.append(several)
            else:
                self._remember(key, contents[code])
            place = place or (dict(zip(written, range(len(written)), strict=True)) if outdated else {})
            for other in outdated:
                again = place.get(other, -1) if self._known.pop(other, None) is not None else -1
                if again >= 0 and last[again] > row:  # it comes again in this very batch
                    heappush(todo, (int(last[again]), again))
        return _lists(named, pa.utf8()).take(pa.array(places)), _lists(contents, pa.uint64()).take(pa.array(codes))

    def take_new(self) -> list[Content]:
        """Return content that hasn't been sent yet."""
        new, self._new = self._new, []
        return new

    def forget(self, contents: list[Content]) -> None:
        """Content wasn't sent after all: the transaction was aborted."""
        for content in contents:
            self._said.forget(content)
        self._known = {_NOTHING: []}

    def _read(self, p: Properties, at_us: int, key: bytes | None) -> tuple[list[str], list[int], list[bytes]]:
        """Return categories, ids of content, and the keys of events that said otherwise; what is new waits."""
        categories = list(dict.fromkeys(_categories(p)))[:_MOST_CATEGORIES]
        contents = [content for content in _contents(p, categories, at_us) if content is not None]
        outdated: list[bytes] = []
        for content in contents:
            news, others = self._said.note(content, key)
            outdated += others
            if news:
                self._new.append(content)
        return categories, list(dict.fromkeys(content.content_id for content in contents)), outdated

    def _remember(self, key: bytes, contents: list[int]) -> None:
        if len(self._known) > _KEPT:
            self._known = {_NOTHING: []}
        self._known[key] = contents


def _lists(lists: Sequence[list[Any]], kind: pa.DataType) -> pa.ListArray:
    offsets = np.zeros(len(lists) + 1, np.int32)
    np.cumsum(list(map(len, lists)), out=offsets[1:])
    flat = [value for values in lists for value in values]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat, kind))


def _categories(p: Properties) -> Iterator[str]:
    yield from _clean(p.category if isinstance(p.category, list) else [p.category])
    yield from _clean(p.categories or [])
    yield from _clean(product.category for product in (p.products or [])[:_MOST_PRODUCTS])


def _clean(categories: Iterable[str | None]) -> Iterator[str]:
    for category in categories:
        name = (category or "").strip()[:_LONGEST_NAME]
        if name:
            yield name


def _contents(p: Properties, categories: list[str], at_us: int) -> Iterator[Content | None]:
    title = p.name or p.title or ""
    item = _item(p.product_id, p.sku, p.content_id, p.article_id, title, categories, p, at_us)
    yield item
    for product in (p.products or [])[:_MOST_PRODUCTS]:
        own = [product.category] if product.category else []
        yield _item(product.product_id, product.sku, None, None, product.name or "", own, product, at_us)
    # A picture or video is the item's; without an item it is part of what was written, or a post by itself.
    unseen = msgspec.structs.replace(p, image_url=None, video_url=None) if p.image_url or p.video_url else p
    source = p if item is None else unseen
    for written in (p.text, p.body, p.review_body, p.query):
        text = normalised(written) if written else ""
        if text:
            yield _content("text", text, "", "", text, categories, source, at_us)
            source = unseen
    if source is not unseen and (shown := _address(p.image_url) or _address(p.video_url)):
        yield _content("media", shown, "", "", "", [], p, at_us)


def _item(
    product_id: object, sku: object, content_id: object, article_id: object, title: str, categories: list[str],
    source: Properties | Product, at_us: int,
) -> Content | None:  # fmt: skip
    """Return the item, by the first id it has; without one a title is its own id."""
    clean = normalised(title) if title else ""
    for value in (product_id, sku, content_id, article_id):
        key = str(value).strip()[:_LONGEST_NAME] if value is not None else ""
        if key:
            return _content("item", key, key, clean, "", categories, source, at_us)
    return _content("text", clean, "", clean, "", categories, source, at_us) if clean else None


def _content(
    kind: str, key: str, item: str, title: str, text: str, categories: list[str], source: Properties | Product,
    at_us: int,
) -> Content:  # fmt: skip
    image, video = _address(source.image_url), _address(source.video_url) if isinstance(source, Properties) else ""
    brand = (source.brand or "")[:_LONGEST_NAME]
    return Content(
        content_id=content_id_of(kind, key),
        kind=kind,
        item=item,
        title=title,
        text=text,
        categories=categories,
        brand=brand,
        url=(source.url or "")[:_LONGEST_URL],
        image_url=image,
        video_url=video,
        price=source.price,
        content_hash=hash_of(said_of(title, text, categories, brand), image, video),
        at_us=at_us,
    )


def _address(url: str | None) -> str:
    """Return where a picture or video is; nothing of one that is cut short could be read."""
    if not url:
        return ""
    longest = _LONGEST_DATA_URL if url[:5].lower() == "data:" else _LONGEST_URL
    return url if len(url) <= longest else ""
