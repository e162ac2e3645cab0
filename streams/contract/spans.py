"""Where the fields of events are in their bytes: one walk over a batch, and columns read from what it found.

Nothing is built for an event; Python sees distinct values only. What isn't plainly right is left to
`streams.contract.tolerant`, whose word counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.contract.block import Names
from streams.contract.event import TYPES
from streams.contract.fields import ALLOWED, FIELDS, FIRST_RARE, ITEM_FIELDS, Field, field_of
from streams.contract.json_text import (
    ABSENT,
    ARRAY,
    ESCAPED,
    INTEGER,
    MOST_LEVELS,
    NULL,
    OBJECT,
    TEXT,
    Bytes,
    after_blank,
    after_colon,
    is_utf8,
    text_end,
    value_end,
)
from streams.contract.letters import WIDTH, copy_run
from streams.contract.times import INVALID, MISSING, epoch_us, parse_time, usual_time
from streams.contract.tolerant import Limits
from streams.kernel import kernel

__all__ = ["Spans"]

Int64s = npt.NDArray[np.int64]
Kinds = npt.NDArray[np.uint8]

_KEY, _KEY_OR_END, _COMMA_OR_END = range(3)
_TYPE, _EVENT, _PROPERTIES = int(Field.TYPE), int(Field.EVENT), int(Field.PROPERTIES)
_UNKNOWN_TYPE = -1
_FIRST_OF_ITEM = ITEM_FIELDS[0]
#: Codes of types whose events need a closer look: group and alias carry ids of their own.
_FIRST_WITH_MORE_IDS = TYPES["group"]
#: Up to here a double holds every integer, and ten to that power: what is made of two of them is rounded once.
_EXACT_INTEGER, _EXACT_POWER = 1 << 53, 22
_POWERS = 10.0 ** np.arange(_EXACT_POWER + 1)
_TYPE_NAMES = [name.encode() for name in TYPES]
_TYPE_STARTS = np.concatenate(([0], np.cumsum([len(name) for name in _TYPE_NAMES]))).astype(np.int64)
_TYPE_LETTERS = np.frombuffer(b"".join(_TYPE_NAMES), np.uint8)

_decode_text = msgspec.json.Decoder(str).decode


class Spans:
    """The fields of a batch of values, one event each.

    Parameters
    ----------
    values : sequence of bytes
        JSON, or not.
    limits : Limits
        What a producer may send.
    trusted : bool
        The values are events that were checked already and written anew: only their fields are to be found.

    Attributes
    ----------
    plain : ndarray of bool, shape (n,)
        Whether a value is one event that the contract takes as it is. Only the fields of such events mean anything.
    types : ndarray of int8, shape (n,)
        Code of the event's type (`TYPES`).
    rich : ndarray of bool, shape (n,)
        Whether its properties say more than one item's few fields (products, several categories, texts).
    """

    def __init__(self, values: Sequence[bytes], limits: Limits, *, trusted: bool = False) -> None:
        array = pa.array(values, pa.large_binary())
        _, offsets, data = array.buffers()
        n = len(values)
        starts = np.frombuffer(offsets, np.int64, n + 1)
        self._letters = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
        self._kinds: Kinds = np.zeros((FIELDS, n), np.uint8)
        self._begins: Int64s = np.empty((FIELDS, n), np.int64)
        self._ends: Int64s = np.empty((FIELDS, n), np.int64)
        self.plain = np.empty(n, np.bool_)
        self.types = np.empty(n, np.int8)
        most_bytes = np.iinfo(np.int64).max if trusted else limits.max_event_bytes
        most_levels = MOST_LEVELS if trusted else min(limits.max_depth, MOST_LEVELS)
        most_properties = np.iinfo(np.int64).max if trusted else limits.max_properties
        _walk(
            starts, self._letters, most_bytes, most_levels, most_properties, trusted,
            self._kinds, self._begins, self._ends, self.types, self.plain,
        )  # fmt: skip
        self.rich = (self._kinds[FIRST_RARE:] != ABSENT).any(axis=0) | (self._kinds[Field.CATEGORY] == ARRAY)

    def __len__(self) -> int:
        return len(self.plain)

    def drop(self, rows: npt.NDArray[np.bool_]) -> None:
        """Take events out: they are plain no longer, and have no fields."""
        self.plain &= ~rows
        self._kinds[:, rows] = ABSENT
        self.rich &= ~rows

    def has(self, field: Field) -> npt.NDArray[np.bool_]:
        """Return which events have the field."""
        present: npt.NDArray[np.bool_] = self._kinds[field] != ABSENT
        return present

    def says(self, field: Field) -> npt.NDArray[np.bool_]:
        """Return which events have the field, and something in it."""
        some: npt.NDArray[np.bool_] = self.has(field) & (self._ends[field] > self._begins[field])
        return some

    def raw(self, field: Field, row: int) -> bytes:
        """Return a value as it is written; an empty one where it is absent."""
        if self._kinds[field, row] == ABSENT:
            return b""
        return self._letters[self._begins[field, row] : self._ends[field, row]].tobytes()

    def raws(self, field: Field) -> pa.DictionaryArray:
        """Return the distinct values as they are written, null where absent."""
        return self._gathered([field], pa.binary(), names=False).dictionary_encode()

    def texts(self, field: Field) -> list[bytes]:
        """Return each event's text in UTF-8, an empty one where it is absent; integers are in decimal."""
        found: list[bytes] = self._gathered([field], pa.binary(), names=False).fill_null(b"").to_pylist()
        for row in np.flatnonzero(self._kinds[field] == ESCAPED).tolist():
            found[row] = _unescaped(self.raw(field, row)).encode()
        return found

    def names(self, field: Field) -> Names:
        """Return each event's text, each distinct one once."""
        encoded = self._gathered([field], pa.utf8(), names=False).dictionary_encode()
        escaped = self._kinds[field] == ESCAPED
        if not escaped.any():
            return Names.of(encoded)
        codes = Names.of(encoded).codes
        decoded = encoded.dictionary.to_pylist()
        for code in np.unique(codes[escaped]).tolist():  # an object, where a text should be, may hold backslashes too
            decoded[code] = _unescaped(decoded[code].encode())
        again = pa.array(decoded, pa.utf8()).dictionary_encode()
        return Names(np.where(codes < 0, -1, again.indices.to_numpy()[codes]).astype(np.int32), again.dictionary)

    def items(self) -> pa.DictionaryArray:
        """Return what tells one item from another, as bytes that are equal when all of it is.

        Categories are part of it only where an item has no name or title: there they are all that it says of itself.
        """
        kinds = self._kinds.copy()
        kinds[Field.CATEGORY, self.has(Field.NAME) | self.has(Field.TITLE)] = ABSENT
        return self._gathered(ITEM_FIELDS, pa.binary(), names=True, kinds=kinds).dictionary_encode()

    def numbers(self, field: Field) -> npt.NDArray[np.float64]:
        """Return each event's number, the nearest double to what is written; NaN where it has none."""
        out = np.full(len(self), np.nan)
        if not self.has(field).any():
            return out
        left = np.zeros(len(self), np.bool_)
        _numbers(self._letters, self._kinds[field], self._begins[field], self._ends[field], out, left)
        for row in np.flatnonzero(left).tolist():
            out[row] = float(self.raw(field, row))
        return out

    def times(self, field: Field) -> Int64s:
        """Return each event's time in us: MISSING where it has none, INVALID for what would be a guess."""
        out = np.full(len(self), MISSING, np.int64)
        if not self.has(field).any():
            return out
        left = np.zeros(len(self), np.bool_)
        _times(self._letters, self._kinds[field], self._begins[field], self._ends[field], out, left)
        for row in np.flatnonzero(left).tolist():
            kind, raw = self._kinds[field, row], self.raw(field, row)
            text = _unescaped(raw) if kind == ESCAPED else raw.decode()
            out[row] = parse_time(text if kind in {TEXT, ESCAPED} else float(text))
        return out

    def _gathered(
        self, fields: Sequence[int], kind: pa.DataType, *, names: bool, kinds: Kinds | None = None
    ) -> pa.Array:
        """Copy the bytes of fields behind each other, each behind its number if `names`; null where there are none."""
        kinds = self._kinds if kinds is None else kinds
        chosen = [field for field in fields if kinds[field].any()]
        if not chosen:
            return pa.nulls(len(self), kind)
        offsets = np.zeros(len(self) + 1, np.int32)
        absent = np.empty(len(self), np.bool_)
        where = np.array(chosen, np.int64)
        size = _sizes(where, names, kinds, self._begins, self._ends, offsets, absent)
        data = np.empty(size + WIDTH, np.uint8)
        _copy(where, names, self._letters, kinds, self._begins, self._ends, offsets, data)
        valid = None
        if absent.any():
            valid = pa.py_buffer(np.packbits(~absent, bitorder="little"))
        return pa.Array.from_buffers(kind, len(self), [valid, pa.py_buffer(offsets), pa.py_buffer(data)])


def _unescaped(raw: bytes) -> str:
    return _decode_text(b'"' + raw + b'"')


@kernel
def _walk(
    starts: Int64s, letters: Bytes, most_bytes: int, most_levels: int, most_properties: int, trusted: bool,
    kinds: Kinds, begins: Int64s, ends: Int64s, types: npt.NDArray[np.int8], plain: npt.NDArray[np.bool_],
) -> None:  # fmt: skip
    for row in range(len(plain)):
        begin, end = starts[row], starts[row + 1]
        plain[row] = (
            end - begin <= most_bytes
            and _find_fields(letters, begin, end, most_levels, most_properties, trusted, row, kinds, begins, ends)
            and is_utf8(letters, begin, end)
        )
        types[row] = _UNKNOWN_TYPE
        if plain[row] and kinds[_TYPE, row] == TEXT:
            types[row] = _type_of(letters, begins[_TYPE, row], ends[_TYPE, row])
        named = types[row] != 0 or (kinds[_EVENT, row] != ABSENT and ends[_EVENT, row] > begins[_EVENT, row])
        taken = types[row] >= 0 and types[row] < _FIRST_WITH_MORE_IDS and named
        plain[row] &= taken or (trusted and types[row] >= 0)
        if not plain[row]:
            for field in range(len(kinds)):
                kinds[field, row] = ABSENT


@kernel
def _find_fields(
    letters: Bytes, at: int, end: int, most_levels: int, most_properties: int, trusted: bool, row: int,
    kinds: Kinds, begins: Int64s, ends: Int64s,
) -> bool:  # fmt: skip
    """Walk over one event and its properties; False for whatever isn't plainly right."""
    at = after_blank(letters, at, end)
    if at >= end or letters[at] != 123:
        return False
    at += 1
    scope, expected, properties, seen = 0, _KEY_OR_END, 0, np.int64(0)
    while True:
        at = after_blank(letters, at, end)
        if at >= end:
            return False
        letter = letters[at]
        if expected == _COMMA_OR_END and letter == 44:
            at += 1
            expected = _KEY
        elif letter == 125 and expected != _KEY:
            at += 1
            if scope == 0:
                return bool(after_blank(letters, at, end) == end)
            ends[_PROPERTIES, row] = at
            scope, expected = 0, _COMMA_OR_END
        elif expected == _COMMA_OR_END or letter != 34:
            return False
        else:
            key = at + 1
            at, escaped = text_end(letters, key, end)
            if at < 0 or escaped:
                return False
            field = field_of(letters, key, at, scope)
            properties += scope
            at = after_colon(letters, at + 1, end)
            if at < 0 or properties > most_properties:
                return False
            if field >= 0:
                if seen & (np.int64(1) << field):
                    return False  # said twice: the last one counts, and that is for the slow road to find
                seen |= np.int64(1) << field
            if field == _PROPERTIES and letters[at] == 123:
                kinds[_PROPERTIES, row], begins[_PROPERTIES, row] = OBJECT, at
                at += 1
                scope, expected = 1, _KEY_OR_END
                continue
            begin = at
            at, kind = value_end(letters, at, end, most_levels - 1 - scope, trusted)
            if at < 0:
                return False
            if field >= 0 and kind != NULL:
                if not (ALLOWED[field] >> kind) & 1:
                    return False
                quote = np.int64(kind in (TEXT, ESCAPED))
                kinds[field, row] = kind
                begins[field, row], ends[field, row] = begin + quote, at - quote
            expected = _COMMA_OR_END


@kernel
def _type_of(letters: Bytes, begin: int, end: int) -> int:
    for code in range(len(_TYPE_STARTS) - 1):
        first = _TYPE_STARTS[code]
        if _TYPE_STARTS[code + 1] - first == end - begin:
            same = True
            for i in range(end - begin):
                same &= letters[begin + i] == _TYPE_LETTERS[first + i]
            if same:
                return code
    return _UNKNOWN_TYPE


@kernel
def _sizes(
    fields: Int64s, names: bool, kinds: Kinds, begins: Int64s, ends: Int64s,
    offsets: npt.NDArray[np.int32], absent: npt.NDArray[np.bool_],
) -> int:  # fmt: skip
    size = 0
    for row in range(len(absent)):
        absent[row] = True
        for field in fields:
            if kinds[field, row] != ABSENT:
                size += ends[field, row] - begins[field, row] + names
                absent[row] = False
        offsets[row + 1] = size
    return size


@kernel
def _copy(
    fields: Int64s, names: bool, letters: Bytes, kinds: Kinds, begins: Int64s, ends: Int64s,
    offsets: npt.NDArray[np.int32], out: Bytes,
) -> None:  # fmt: skip
    for row in range(len(offsets) - 1):
        to = np.int64(offsets[row])
        for field in fields:
            if kinds[field, row] == ABSENT:
                continue
            if names:
                out[to] = field - _FIRST_OF_ITEM + 1  # no letter of a JSON text is below 32
                to += 1
            at, end = begins[field, row], ends[field, row]
            while at < end and at + WIDTH <= len(letters):  # what is copied too much is written over, `out` has room
                copy_run(letters, at, out, to)
                at += WIDTH
                to += WIDTH
            to -= max(at - end, 0)
            for i in range(at, end):
                out[to] = letters[i]
                to += 1


@kernel
def _numbers(
    letters: Bytes, kinds: Kinds, begins: Int64s, ends: Int64s, out: npt.NDArray[np.float64],
    left: npt.NDArray[np.bool_],
) -> None:  # fmt: skip
    """Read numbers whose digits and power of ten a double holds exactly (Clinger 1990); the others are left."""
    for row in range(len(out)):
        if kinds[row] == ABSENT:
            continue
        at, end = begins[row], ends[row]
        negative = letters[at] == 45
        at += negative
        digits, power, exact = np.int64(0), 0, True
        behind_point = False
        while at < end and exact:
            letter = letters[at]
            if letter == 46:
                behind_point = True
            elif 48 <= letter <= 57 and digits < _EXACT_INTEGER // 10 - 1:
                digits = digits * 10 + (np.int64(letter) - 48)
                power += behind_point
            else:
                exact = False
            at += 1
        if not exact or power > _EXACT_POWER:
            left[row] = True
            continue
        number = digits / _POWERS[power]
        out[row] = -number if negative else number


@kernel
def _times(
    letters: Bytes, kinds: Kinds, begins: Int64s, ends: Int64s, out: Int64s, left: npt.NDArray[np.bool_]
) -> None:
    """Read the usual times; those that need a closer look are left."""
    for row in range(len(out)):
        if kinds[row] == ABSENT:
            continue
        out[row] = INVALID
        if kinds[row] == TEXT:
            out[row] = usual_time(letters, begins[row], ends[row])
        elif kinds[row] == INTEGER:
            out[row] = epoch_us(letters, begins[row], ends[row])
        left[row] = out[row] == INVALID
