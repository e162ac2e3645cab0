"""The fields of an event that mean something to us, by number, and the kinds of values that need no mending."""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from streams.contract.json_text import ARRAY, ESCAPED, INTEGER, OBJECT, REAL, TEXT
from streams.contract.letters import WIDTH, same_run
from streams.kernel import kernel

__all__ = ["ALLOWED", "FIELDS", "FIRST_RARE", "ITEM_FIELDS", "Field", "field_of"]

#: Where a key counts.
_EVENT, _PROPERTIES = 0, 1


class Field(IntEnum):
    """Fields of the event itself, then of its properties."""

    TYPE = 0
    EVENT = 1
    USER_ID = 2
    ANONYMOUS_ID = 3
    MESSAGE_ID = 4
    TIMESTAMP = 5
    ORIGINAL_TIMESTAMP = 6
    SENT_AT = 7
    RECEIVED_AT = 8
    PROPERTIES = 9
    CONTEXT = 10
    TRAITS = 11
    CHANNEL = 12
    BATCH = 13
    # What tells one item from another.
    PRODUCT_ID = 14
    SKU = 15
    CONTENT_ID = 16
    ARTICLE_ID = 17
    NAME = 18
    TITLE = 19
    CATEGORY = 20
    BRAND = 21
    URL = 22
    IMAGE_URL = 23
    PRICE = 24
    QUANTITY = 25
    REVENUE = 26
    TOTAL = 27
    CURRENCY = 28
    # What an item's few fields can't say; who has one of these is looked at by itself.
    PRODUCTS = 29
    CATEGORIES = 30
    TEXT = 31
    BODY = 32
    REVIEW_BODY = 33
    QUERY = 34
    VIDEO_URL = 35


FIELDS = len(Field)
ITEM_FIELDS = range(Field.PRODUCT_ID, Field.IMAGE_URL + 1)
FIRST_RARE = int(Field.PRODUCTS)

_TEXTS = 1 << TEXT | 1 << ESCAPED
_IDS = _TEXTS | 1 << INTEGER
_NUMBERS = 1 << INTEGER | 1 << REAL
_ANY = 0xFFFF

_KINDS = {
    **dict.fromkeys(Field, _TEXTS),
    **dict.fromkeys(ITEM_FIELDS, _TEXTS),
    Field.TYPE: 1 << TEXT,
    **dict.fromkeys((Field.USER_ID, Field.ANONYMOUS_ID, Field.MESSAGE_ID), _IDS),
    **dict.fromkeys((Field.PRODUCT_ID, Field.SKU, Field.CONTENT_ID, Field.ARTICLE_ID), _IDS),
    **dict.fromkeys((Field.TIMESTAMP, Field.ORIGINAL_TIMESTAMP, Field.SENT_AT, Field.RECEIVED_AT), _IDS | _NUMBERS),
    Field.PROPERTIES: 1 << OBJECT,
    Field.CONTEXT: _ANY,
    Field.TRAITS: _ANY,
    Field.BATCH: 0,
    Field.CATEGORY: _TEXTS | 1 << ARRAY,
    **dict.fromkeys((Field.PRICE, Field.QUANTITY, Field.REVENUE, Field.TOTAL), _NUMBERS),
    Field.PRODUCTS: 1 << ARRAY,
    Field.CATEGORIES: 1 << ARRAY,
}

#: Bit k of ALLOWED[field]: a value of kind k is as the contract wants it (null always is: it counts as absent).
ALLOWED = np.array([_KINDS[field] for field in Field], np.int64)


def _key(field: Field) -> bytes:
    """Return a field's name in JSON: the event's own are in camel case."""
    first, *rest = field.name.lower().split("_")
    return (first + "".join(word.title() for word in rest) if field < Field.PRODUCT_ID else field.name.lower()).encode()


_FIRST_PROPERTY = int(Field.PRODUCT_ID)
_KEYS = [_key(field) for field in Field]
_SCOPES = [_EVENT if field < Field.PRODUCT_ID else _PROPERTIES for field in Field]
_SLOTS = 256
_STARTS = np.concatenate(([0], np.cumsum([len(key) for key in _KEYS]))).astype(np.int64)
_LETTERS = np.frombuffer(b"".join(_KEYS) + bytes(WIDTH), np.uint8)


def _slot(key: bytes, scope: int, factors: tuple[int, int]) -> int:
    return (len(key) * factors[0] + key[0] * factors[1] + key[len(key) // 2] * 7 + key[-1] + scope) % _SLOTS


def _perfect() -> tuple[tuple[int, int], npt.NDArray[np.int8]]:
    """Search for factors under which every key has a slot of its own."""
    for factors in ((a, b) for a in range(1, 64) for b in range(1, 64)):
        slots = [_slot(key, scope, factors) for key, scope in zip(_KEYS, _SCOPES, strict=True)]
        if len(set(slots)) == len(slots):
            table = np.full(_SLOTS, -1, np.int8)
            table[slots] = np.arange(len(slots))
            return factors, table
    msg = "no perfect hash for the keys of an event; let more letters of a key count"
    raise AssertionError(msg)


_FACTORS, _TABLE = _perfect()
_BY_LENGTH, _BY_FIRST = _FACTORS


@kernel
def field_of(letters: npt.NDArray[np.uint8], begin: int, end: int, scope: int) -> int:
    """Return the field with the key `letters[begin:end]` in an event (scope 0) or its properties (1), else -1."""
    length = end - begin
    if length == 0:
        return -1
    first, middle, last = np.int64(letters[begin]), np.int64(letters[begin + length // 2]), np.int64(letters[end - 1])
    slot = (length * _BY_LENGTH + first * _BY_FIRST + middle * 7 + last + scope) % _SLOTS
    field = np.int64(_TABLE[slot])
    if field < 0 or (field >= _FIRST_PROPERTY) != (scope == 1) or _STARTS[field + 1] - _STARTS[field] != length:
        return -1
    place, same = _STARTS[field], np.int64(0)
    if length <= WIDTH <= len(letters) - begin:
        same = same_run(letters, begin, _LETTERS, place)
    else:
        while same < length and _LETTERS[place + same] == letters[begin + same]:
            same += 1
    return int(field) if same >= length else -1
