"""One look at the raw bytes of a batch: which values the fast decoder might accept though the contract doesn't.

The fast decoder skips what it doesn't name, without looking inside.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.kernel import kernel

__all__ = ["needs_a_closer_look"]

#: A double ends at 1.8e308: shorter exponents and shorter rows of digits can't pass it.
_EXPONENT_DIGITS = 3
_MANY_DIGITS = 300


def needs_a_closer_look(values: Sequence[bytes], most_bytes: int, most_depth: int) -> npt.NDArray[np.bool_]:
    """Return which values may break a limit.

    Parameters
    ----------
    values : sequence of bytes
        JSON, or not.
    most_bytes : int
        A longer value is suspicious.
    most_depth : int
        So is one with more opening brackets.

    Returns
    -------
    ndarray of bool, shape (n,)
        True for every value that isn't UTF-8, is long, may be deep, or may hold a number that is no double.
    """
    array = pa.array(values, pa.large_binary())
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, np.int64, len(values) + 1)
    letters = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    out = np.empty(len(values), np.bool_)
    _scan(starts, letters, most_bytes, most_depth, out)
    return out


@kernel
def _scan(
    starts: npt.NDArray[np.int64], letters: npt.NDArray[np.uint8], most_bytes: int, most_depth: int,
    out: npt.NDArray[np.bool_],
) -> None:  # fmt: skip
    for i in range(len(out)):
        start, end = starts[i], starts[i + 1]
        if end - start > most_bytes:
            out[i] = True
            continue
        brackets, digits, wide, exponent, quoted, escaped = 0, 0, False, False, False, False
        for at in range(start, end):
            letter = letters[at]
            wide |= letter >= 128
            if quoted:
                quoted = letter != 34 or escaped
                escaped = letter == 92 and not escaped
                continue
            quoted = letter == 34
            brackets += (letter == 123) | (letter == 91)
            if 48 <= letter <= 57:
                digits += 1
                exponent |= digits >= _MANY_DIGITS
            else:
                if digits and (letter | 32) == 101:
                    exponent |= _long_exponent(letters, at + 1, end)
                digits = 0
        out[i] = brackets > most_depth or exponent or (wide and not _is_utf8(letters, start, end))


@kernel
def _long_exponent(letters: npt.NDArray[np.uint8], at: int, end: int) -> bool:
    if at < end and letters[at] == 43:
        at += 1
    for _ in range(_EXPONENT_DIGITS):
        if at >= end or letters[at] < 48 or letters[at] > 57:
            return False
        at += 1
    return True


@kernel
def _is_utf8(letters: npt.NDArray[np.uint8], at: int, end: int) -> bool:
    """Check as in table 3-7 of the Unicode standard: no overlong forms, no surrogates, nothing above U+10FFFF."""
    while at < end:
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
