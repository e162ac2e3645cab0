"""JSON as bytes: kernels that walk it and check it (RFC 8259) without building anything.

They are strict on purpose: whatever they don't take goes to `streams.contract.tolerant`, which says what is wrong with
it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streams.contract.letters import WIDTH, ascii_run, plain_run
from streams.kernel import kernel

__all__ = [
    "ABSENT", "ARRAY", "BOOLEAN", "ESCAPED", "INTEGER", "MOST_LEVELS", "NULL", "OBJECT", "REAL", "TEXT",
    "after_blank", "after_colon", "is_utf8", "text_end", "value_end",
]  # fmt: skip

Bytes = npt.NDArray[np.uint8]

#: What a value is. TEXT has no escapes, ESCAPED has some; ABSENT is for who looks for a value that isn't there.
ABSENT, TEXT, ESCAPED, INTEGER, REAL, OBJECT, ARRAY, BOOLEAN, NULL = range(9)

#: Open containers are bits of one word.
MOST_LEVELS = 62

#: A double ends at 1.8e308: fewer digits before the point and a shorter exponent can't pass it together.
_EXPONENT_DIGITS = 2
_MANY_DIGITS = 200

_VALUE, _VALUE_OR_END, _KEY, _KEY_OR_END, _COMMA_OR_END = range(5)


@kernel
def after_blank(letters: Bytes, at: int, end: int) -> int:
    """Return the first place that isn't white space."""
    while at < end and letters[at] <= 32 and letters[at] in (32, 10, 13, 9):  # nearly always the first look is enough
        at += 1
    return at


@kernel
def after_colon(letters: Bytes, at: int, end: int) -> int:
    """Return where the value behind a key begins, -1 if there is no colon or nothing behind it."""
    at = after_blank(letters, at, end)
    if at >= end or letters[at] != 58:
        return -1
    at = after_blank(letters, at + 1, end)
    return at if at < end else -1


@kernel
def _four_hex(letters: Bytes, at: int, end: int) -> int:
    if at + 4 > end:
        return -1
    number = 0
    for i in range(at, at + 4):
        letter = letters[i]
        if 48 <= letter <= 57:
            number = number * 16 + letter - 48
        elif 97 <= (letter | 32) <= 102:
            number = number * 16 + (letter | 32) - 87
        else:
            return -1
    return number


@kernel
def _escape_end(letters: Bytes, at: int, end: int) -> int:
    """Return the place behind the escape at `at`; -1 for a broken one and for half of a surrogate pair."""
    if at + 1 >= end:
        return -1
    letter = letters[at + 1]
    if letter != 117:
        known = letter in (34, 92, 47, 98, 102, 110, 114, 116)
        return at + 2 if known else -1
    unit = _four_hex(letters, at + 2, end)
    if unit < 0 or 0xDC00 <= unit <= 0xDFFF:
        return -1
    if unit < 0xD800 or unit > 0xDFFF:
        return at + 6
    if at + 8 > end or letters[at + 6] != 92 or letters[at + 7] != 117:
        return -1
    low = _four_hex(letters, at + 8, end)
    return at + 12 if 0xDC00 <= low <= 0xDFFF else -1


@kernel
def text_end(letters: Bytes, at: int, end: int) -> tuple[int, bool]:
    """Return (the closing quote of the string whose first letter is at `at`, or -1; whether it has escapes)."""
    escaped = False
    while at < end:
        if at + WIDTH <= len(letters):
            run = plain_run(letters, at)
            at += run
            if run == WIDTH:
                continue
            if at >= end:  # the next value's letters
                break
        letter = letters[at]
        if letter == 34:
            return at, escaped
        if letter < 32:
            break
        if letter == 92:
            escaped = True
            at = _escape_end(letters, at, end)
            if at < 0:
                break
        else:
            at += 1
    return -1, escaped


@kernel
def _digits_end(letters: Bytes, at: int, end: int) -> int:
    while at < end and 48 <= letters[at] <= 57:
        at += 1
    return at


@kernel
def _number_end(letters: Bytes, at: int, end: int, checked: bool) -> tuple[int, int]:
    """Return (the place behind a number, INTEGER or REAL); -1 for what is no number, or (unless checked) no double."""
    begin = at
    if letters[at] == 45:
        at += 1
    first = at
    at = _digits_end(letters, at, end)
    digits = at - first
    if digits == 0 or (digits >= _MANY_DIGITS and not checked) or (digits > 1 and letters[first] == 48):
        return -1, REAL
    kind = REAL if begin != first and digits == 1 and letters[first] == 48 else INTEGER  # -0 is no id
    if at < end and letters[at] == 46:
        kind = REAL
        first = at + 1
        at = _digits_end(letters, first, end)
        if at == first:
            return -1, REAL
    if at < end and (letters[at] | 32) == 101:
        kind = REAL
        at += 1
        if at < end and (letters[at] == 43 or letters[at] == 45):
            at += 1
        first = at
        at = _digits_end(letters, at, end)
        if at == first or (at - first > _EXPONENT_DIGITS and not checked):
            return -1, REAL
    return at, kind


@kernel
def _word_end(letters: Bytes, at: int, end: int) -> tuple[int, int]:
    """Return (the place behind true, false or null, its kind), -1 for anything else."""
    if at + 4 <= end:
        if letters[at] == 116 and letters[at + 1] == 114 and letters[at + 2] == 117 and letters[at + 3] == 101:
            return at + 4, BOOLEAN
        if letters[at] == 110 and letters[at + 1] == 117 and letters[at + 2] == 108 and letters[at + 3] == 108:
            return at + 4, NULL
    is_false = at + 5 <= end and letters[at] == 102 and letters[at + 1] == 97 and letters[at + 2] == 108
    if is_false and letters[at + 3] == 115 and letters[at + 4] == 101:
        return at + 5, BOOLEAN
    return -1, NULL


@kernel
def _scalar_end(letters: Bytes, at: int, end: int, checked: bool) -> tuple[int, int]:
    letter = letters[at]
    if letter == 34:
        at, escaped = text_end(letters, at + 1, end)
        return at + 1 if at >= 0 else -1, ESCAPED if escaped else TEXT
    if letter == 45 or 48 <= letter <= 57:
        number: tuple[int, int] = _number_end(letters, at, end, checked)
        return number
    word: tuple[int, int] = _word_end(letters, at, end)
    return word


@kernel
def value_end(letters: Bytes, at: int, end: int, levels: int, checked: bool) -> tuple[int, int]:
    """Walk over the value that begins at `at`.

    Parameters
    ----------
    levels : int
        How many containers may be open inside each other, at most `MOST_LEVELS`.
    checked : bool
        Every number is known to be one that a double can hold.

    Returns
    -------
    (int, int)
        The place behind the value, -1 if it isn't taken; what it is.
    """
    if letters[at] != 123 and letters[at] != 91:
        scalar: tuple[int, int] = _scalar_end(letters, at, end, checked)
        return scalar
    kind = OBJECT if letters[at] == 123 else ARRAY
    objects, level, expected = np.int64(0), 0, _VALUE
    while at < end:
        at = after_blank(letters, at, end)
        if at >= end:
            break
        letter = letters[at]
        closes = False
        if expected == _COMMA_OR_END:
            if letter == 44:
                at += 1
                expected = _KEY if objects & 1 else _VALUE
                continue
            closes = letter == (125 if objects & 1 else 93)
            if not closes:
                break
        elif expected in (_KEY, _KEY_OR_END):
            closes = letter == 125 and expected == _KEY_OR_END
            if not closes:
                if letter != 34:
                    break
                at, _ = text_end(letters, at + 1, end)
                if at < 0:
                    break
                at = after_colon(letters, at + 1, end)
                if at < 0:
                    break
                expected = _VALUE
                continue
        else:
            closes = letter == 93 and expected == _VALUE_OR_END
        if closes:
            at += 1
            level -= 1
            objects >>= 1
            if level == 0:
                return at, kind
            expected = _COMMA_OR_END
        elif letter in (123, 91):
            level += 1
            if level > levels:
                break
            objects = (objects << 1) | np.int64(letter == 123)
            expected = _KEY_OR_END if letter == 123 else _VALUE_OR_END
            at += 1
        else:
            at, _ = _scalar_end(letters, at, end, checked)
            if at < 0:
                break
            expected = _COMMA_OR_END
    return -1, kind


@kernel
def is_utf8(letters: Bytes, at: int, end: int) -> bool:
    """Check as in table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF."""
    while at < end:
        if at + WIDTH <= len(letters):
            run = ascii_run(letters, at)
            at += run
            if run == WIDTH:
                continue
            if at >= end:  # the next value's letters
                break
        first = letters[at]
        if first < 0x80:
            at += 1
            continue
        low, high = 0x80, 0xBF
        if 0xC2 <= first <= 0xDF:
            more = 1
        elif 0xE0 <= first <= 0xEF:
            more = 2
            low = 0xA0 if first == 0xE0 else low
            high = 0x9F if first == 0xED else high
        elif 0xF0 <= first <= 0xF4:
            more = 3
            low = 0x90 if first == 0xF0 else low
            high = 0x8F if first == 0xF4 else high
        else:
            return False
        if at + more >= end:
            return False
        if letters[at + 1] < low or letters[at + 1] > high:
            return False
        for step in range(2, more + 1):
            if letters[at + step] < 0x80 or letters[at + step] > 0xBF:
                return False
        at += more + 1
    return True
