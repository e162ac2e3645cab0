"""The slow road: what the fast decoder wouldn't take is unpacked, mended where the contract says how, or refused."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import msgspec

from streams.contract.emails import is_hashed_email
from streams.contract.event import ABSENT, TYPES, Event, Product, Properties
from streams.contract.persons import as_id, profile_id_of
from streams.contract.reasons import Reason
from streams.contract.times import INVALID, MISSING, parse_time

__all__ = ["Limits", "Refused", "as_mapping", "as_raw", "as_text", "event_at", "unpack"]


#: An escape that may be half of a surrogate pair: such text can't be written as UTF-8 until it is replaced.
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")

#: What a batch says once for all its events is written once an event: a megabyte a thousand times would be a gigabyte.
_MOST_SHARED_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a producer may send."""

    max_event_bytes: int = 1_000_000
    max_depth: int = 32
    max_properties: int = 1_000
    max_id_bytes: int = 512
    #: each event of a batch may become a dead letter that holds the whole batch
    max_batch_events: int = 1_000
    #: a hashed e-mail address in an event's traits is an identifier (`streams.contract.emails`)
    hashed_emails: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that isn't accepted, and why."""

    reason: Reason


def unpack(value: bytes, limits: Limits) -> list[Event | Refused]:
    """Return every event in a value, or what is wrong with it; tests run in the order of `Reason`."""
    if len(value) > limits.max_event_bytes:
        return [Refused(Reason.TOO_LARGE)]
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return [Refused(Reason.INVALID_UTF8)]
    try:
        tree = json.loads(text)  # takes NaN, Infinity and 1e999, so that they get their own reason
    except RecursionError:
        return [Refused(Reason.TOO_DEEP)]
    except ValueError:
        return [Refused(Reason.MALFORMED_JSON)]
    if _deeper_than(tree, limits.max_depth):
        return [Refused(Reason.TOO_DEEP)]
    if _too_many_at_once(tree, limits):
        return [Refused(Reason.TOO_LARGE)]
    if _HALF_CHARACTER.search(text):
        tree = json.loads(json.dumps(tree, ensure_ascii=False).encode("utf-8", "replace"))
    return [_event(item, limits) for item in _items(tree)]


def event_at(value: bytes, index: int) -> Any:
    """Return event `index` of a value that holds several, with what the batch gives it; None if it holds just one."""
    try:
        tree = json.loads(value)
    except (ValueError, RecursionError):
        return None
    several = isinstance(tree, list) or (isinstance(tree, dict) and isinstance(tree.get("batch"), list))
    return list(_items(tree))[index] if several else None


def _too_many_at_once(tree: Any, limits: Limits) -> bool:
    """Whether a value holds more events than it may, or grows out of bounds when each of them gets what they share."""
    batch = tree.get("batch") if isinstance(tree, dict) else tree
    if not isinstance(batch, list):
        return False
    if len(batch) > limits.max_batch_events:
        return True
    shared = {key: value for key, value in tree.items() if key != "batch"} if isinstance(tree, dict) else {}
    return len(json.dumps(shared)) * len(batch) > _MOST_SHARED_BYTES


def _items(tree: Any) -> Iterator[Any]:
    if isinstance(tree, list):
        yield from tree
    elif isinstance(tree, dict) and isinstance(tree.get("batch"), list):
        outer = {key: value for key, value in tree.items() if key != "batch"}
        for item in tree["batch"]:
            if not isinstance(item, dict):
                yield item
                continue
            context = {**as_mapping(outer.get("context")), **as_mapping(item.get("context"))}
            yield {**outer, **item, "context": context}
    else:
        yield tree


def _hashed_email(item: dict[str, Any]) -> bool:
    traits = {**as_mapping(as_mapping(item.get("context")).get("traits")), **as_mapping(item.get("traits"))}
    return is_hashed_email(traits.get("email"))


def _event(item: Any, limits: Limits) -> Event | Refused:
    if not isinstance(item, dict):
        return Refused(Reason.NOT_AN_OBJECT)
    kind = item.get("type")
    kind = kind.strip().lower() if isinstance(kind, str) else ""
    if kind not in TYPES:
        return Refused(Reason.UNSUPPORTED_TYPE)
    named = profile_id_of(item.get("userId"), item.get("anonymousId"), limits.max_id_bytes)
    if not named and not (limits.hashed_emails and _hashed_email(item)):
        return Refused(Reason.MISSING_IDENTITY)
    name = as_text(item.get("event"))
    if kind == "track" and not name:
        return Refused(Reason.MISSING_EVENT)
    if kind == "group" and not as_id(item.get("groupId")):
        return Refused(Reason.MISSING_GROUP_ID)
    if kind == "alias" and not (as_id(item.get("userId")) and as_id(item.get("previousId"))):
        return Refused(Reason.MISSING_PREVIOUS_ID)
    if _time_is_unreadable(item):
        return Refused(Reason.INVALID_TIMESTAMP)
    properties = as_mapping(item.get("properties"))
    if len(properties) > limits.max_properties:
        return Refused(Reason.TOO_MANY_PROPERTIES)
    if not _finite(item):
        return Refused(Reason.NOT_FINITE)
    return Event(
        type=kind,
        event=name or None,
        user_id=_id(item.get("userId")),
        anonymous_id=_id(item.get("previousId" if kind == "alias" else "anonymousId")),
        message_id=_id(item.get("messageId")),
        timestamp=_time(item.get("timestamp")),
        original_timestamp=_time(item.get("originalTimestamp")),
        sent_at=_time(item.get("sentAt")),
        received_at=_time(item.get("receivedAt")),
        properties=_properties(properties),
        context=as_raw(item.get("context")),
        traits=as_raw(item.get("traits")),
        channel=as_text(item.get("channel")) or None,
    )


def _properties(p: dict[str, Any]) -> Properties:
    listed = p.get("products")
    products = [_product(entry) for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else None
    category, categories = p.get("category"), p.get("categories")
    names = (
        "name", "title", "brand", "currency", "url", "image_url", "video_url", "text", "body", "review_body", "query",
    )  # fmt: skip
    return Properties(
        **cast(dict[str, Any], {name: _id(p.get(name)) for name in ("product_id", "sku", "content_id", "article_id")}),
        **cast(dict[str, Any], {name: as_text(p.get(name)) or None for name in names}),
        **cast(dict[str, Any], {name: _number(p.get(name)) for name in ("price", "quantity", "revenue", "total")}),
        category=_texts(category) if isinstance(category, list) else as_text(category) or None,
        categories=_texts(categories) if isinstance(categories, list) else None,
        products=products,
    )


def _product(p: dict[str, Any]) -> Product:
    return Product(
        product_id=_id(p.get("product_id")),
        sku=_id(p.get("sku")),
        category=as_text(p.get("category")) or None,
        name=as_text(p.get("name")) or None,
        brand=as_text(p.get("brand")) or None,
        price=_number(p.get("price")),
        quantity=_number(p.get("quantity")),
        url=as_text(p.get("url")) or None,
        image_url=as_text(p.get("image_url")) or None,
    )


def as_mapping(value: Any) -> dict[str, Any]:
    """Return an object; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def as_text(value: Any) -> str:
    """Return text, numbers in decimal; empty for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def as_raw(value: Any) -> msgspec.Raw:
    """Return an object as it is written in JSON; nothing for anything else."""
    return msgspec.Raw(json.dumps(value).encode()) if isinstance(value, dict) else ABSENT


def _texts(values: list[Any]) -> list[str]:
    return [text for text in map(as_text, values) if text]


def _id(value: Any) -> str | int | None:
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None


def _time(value: Any) -> str | int | float | None:
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _time_is_unreadable(item: dict[str, Any]) -> bool:
    """Whether a time that counts can't be read; `sentAt` and `receivedAt` count only where skew is corrected."""
    timestamp, original, sent = (parse_time(item.get(key)) for key in ("timestamp", "originalTimestamp", "sentAt"))
    device_time = timestamp if timestamp != MISSING else original
    if device_time == INVALID:
        return True
    if MISSING in (device_time, sent) or MISSING not in (timestamp, original):
        return False
    return sent == INVALID or parse_time(item.get("receivedAt")) == INVALID


def _number(value: Any) -> float | None:
    """Return a number, also one that was sent as text; None for what isn't one."""
    if isinstance(value, str):
        try:
            value = float(value.replace(",", "") if value.count(",") and "." in value else value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _deeper_than(tree: Any, limit: int) -> bool:
    level = [tree]
    for _ in range(limit):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _finite(tree: Any) -> bool:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, float):
            if not math.isfinite(node):
                return False
        elif isinstance(node, dict):
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return True
