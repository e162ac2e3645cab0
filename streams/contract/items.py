"""What an event touches: items of the shop, things people wrote, and the categories of both."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, cast

import xxhash

from streams.contract.content import Content, content_id_of, normalised
from streams.contract.event import Product, Properties

__all__ = ["Items"]

_key = attrgetter("product_id", "sku", "content_id", "article_id", "name", "title", "url", "image_url", "brand")
_NAME, _TITLE = 4, 5
_rare = attrgetter("products", "categories", "text", "body", "review_body", "query")
_NOTHING_RARE = (None,) * 6
#: A key that is never remembered.
_NEVER_KNOWN = object()
_KEPT = 200_000
_MOST_CATEGORIES = 32
_MOST_PRODUCTS = 200
_LONGEST_NAME = 256
_LONGEST_URL = 2_048


class Items:
    """Finds the content of events, and remembers (boundedly) what was already sent to the encoder.

    What is sent twice because memory is bounded, or because intake restarted, does no harm: the encoder knows content
    by id and hash.
    """

    def __init__(self) -> None:
        self._contents: dict[object, list[int]] = {}
        self._categories: dict[object, list[str]] = {}
        self._sent: OrderedDict[int, int] = OrderedDict()
        self._new: list[Content] = []

    def of_many(
        self, properties: Sequence[Properties], at_us: Sequence[int]
    ) -> tuple[list[list[str]], list[list[int]]]:
        """Return the categories and the content ids that each event touches; new content waits in `take_new`.

        Parameters
        ----------
        properties, at_us : sequences of equal length
            What the events say, and when.
        """
        keys: list[Any] = list(map(_key, properties))
        names: list[Any] = [p.category for p in properties]
        for i, key in enumerate(keys):
            if not (key[_NAME] or key[_TITLE]):
                keys[i] = (key, str(names[i]))  # without a title an item is known by its categories
        for i in [i for i, parts in enumerate(map(_rare, properties)) if parts != _NOTHING_RARE]:
            keys[i] = names[i] = _NEVER_KNOWN
        for i in [i for i, name in enumerate(names) if name.__class__ is list]:
            keys[i] = names[i] = _NEVER_KNOWN
        contents = list(map(self._contents.get, keys))
        categories = list(map(self._categories.get, names))
        for i in [i for i, (c, n) in enumerate(zip(contents, categories, strict=True)) if c is None or n is None]:
            categories[i], contents[i] = self._read(properties[i], at_us[i])
            if keys[i] is not _NEVER_KNOWN:
                _remember(self._contents, keys[i], contents[i])
                _remember(self._categories, names[i], categories[i])
        return cast(list[list[str]], categories), cast(list[list[int]], contents)

    def take_new(self) -> list[Content]:
        """Return content that hasn't been sent yet."""
        new, self._new = self._new, []
        return new

    def forget(self, contents: list[Content]) -> None:
        """Content wasn't sent after all: the transaction was aborted."""
        for content in contents:
            self._sent.pop(content.content_id, None)
        self._contents.clear()

    def _read(self, p: Properties, at_us: int) -> tuple[list[str], list[int]]:
        categories = list(dict.fromkeys(_categories(p)))[:_MOST_CATEGORIES]
        contents = [content for content in _contents(p, categories, at_us) if content is not None]
        for content in contents:
            self._note(content)
        return categories, list(dict.fromkeys(content.content_id for content in contents))

    def _note(self, content: Content) -> None:
        hashed = xxhash.xxh3_64_intdigest(f"{content.content_hash}\0{content.image_url}".encode())
        if self._sent.get(content.content_id) == hashed:
            return
        self._sent[content.content_id] = hashed
        if len(self._sent) > _KEPT:
            self._sent.popitem(last=False)
        self._new.append(content)


def _remember(memory: dict[object, Any], key: object, value: object) -> None:
    if len(memory) >= _KEPT:
        memory.clear()
    memory[key] = value


def _categories(p: Properties) -> Iterator[str]:
    given = [*(p.category if isinstance(p.category, list) else [p.category]), *(p.categories or [])]
    given += [product.category for product in (p.products or [])[:_MOST_PRODUCTS]]
    for category in given:
        name = (category or "").strip()[:_LONGEST_NAME]
        if name:
            yield name


def _contents(p: Properties, categories: list[str], at_us: int) -> Iterator[Content | None]:
    title = p.name or p.title or ""
    yield _item(p.product_id, p.sku, p.content_id, p.article_id, title, categories, p, at_us)
    for product in (p.products or [])[:_MOST_PRODUCTS]:
        own = [product.category] if product.category else []
        yield _item(product.product_id, product.sku, None, None, product.name or "", own, product, at_us)
    for written in (p.text, p.body, p.review_body, p.query):
        text = normalised(written or "")
        if text:
            yield _content("text", text, "", "", text, categories, p, at_us)


def _item(
    product_id: object, sku: object, content_id: object, article_id: object, title: str, categories: list[str],
    source: Properties | Product, at_us: int,
) -> Content | None:  # fmt: skip
    """Return the item, by the first id it has; without one a title is its own id."""
    clean = normalised(title)
    for value in (product_id, sku, content_id, article_id):
        key = str(value).strip()[:_LONGEST_NAME] if value is not None else ""
        if key:
            return _content("item", key, key, clean, "", categories, source, at_us)
    return _content("text", clean, "", clean, "", categories, source, at_us) if clean else None


def _content(
    kind: str, key: str, item: str, title: str, text: str, categories: list[str], source: Properties | Product,
    at_us: int,
) -> Content:  # fmt: skip
    said = normalised(f"{title} {text}") or normalised(" ".join([*categories, source.brand or ""]))
    return Content(
        content_id=content_id_of(kind, key),
        kind=kind,
        item=item,
        title=title,
        text=text,
        categories=categories,
        brand=(source.brand or "")[:_LONGEST_NAME],
        url=(source.url or "")[:_LONGEST_URL],
        image_url=(source.image_url or "")[:_LONGEST_URL],
        price=source.price,
        content_hash=xxhash.xxh3_64_intdigest(said.encode("utf-8", "surrogatepass")),
        at_us=at_us,
    )
