"""When an event happened: timestamps in all their shapes, and the clock skew of devices (DESIGN 3).

Times are int64 microseconds UTC. A time without an offset is UTC.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from streams.kernel import kernel

__all__ = ["INVALID", "MISSING", "corrected", "epoch_us", "parse_time", "usual_time"]

Int64s = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]

MISSING = np.iinfo(np.int64).min
INVALID = MISSING + 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_ORDINAL = re.compile(r"(\d{4})-?(\d{3})(?=$|[T ])")
_LAST_US = 4_102_444_800_000_000  # the year 2100
#: Epoch numbers by magnitude: seconds until the year 5138, then ms, then us.
_MS_FROM, _US_FROM = 1e11, 1e14
_MOST_EPOCH_DIGITS = 16


def parse_time(value: object) -> int:
    """Return a timestamp in us, MISSING for null and the empty string, INVALID for what would be a guess.

    Accepted: ISO 8601 (extended and basic, week and ordinal dates, any offset, fractions of any length), and epoch
    seconds, milliseconds and microseconds as number or text.
    """
    if value is None or value == "":
        return MISSING
    if isinstance(value, bool):
        return INVALID
    if isinstance(value, int | float):
        return _epoch(value)
    if not isinstance(value, str):
        return INVALID
    text = value.strip()
    if _NUMBER.fullmatch(text) and not (len(text) == 8 and text.isdigit()):  # 20261123 is a basic ISO date
        return _epoch(float(text))
    return _iso(text)


def corrected(
    timestamp: Int64s, original: Int64s, sent: Int64s, received: Int64s, record_us: Int64s, tolerance_us: int
) -> tuple[Int64s, npt.NDArray[np.bool_]]:
    """Return (event times, whether each was clamped); INVALID where a field that is needed can't be read.

    `timestamp` alone or beside `originalTimestamp` is trusted. Raw `timestamp` with `sentAt`, and `originalTimestamp`
    alone, are on the device's clock: ``receivedAt - (sentAt - timestamp)``, `receivedAt` being the field or the Kafka
    record time.
    """
    device = np.where(timestamp != MISSING, timestamp, original)
    skewed = (sent != MISSING) & (device != MISSING) & ((timestamp == MISSING) | (original == MISSING))
    arrived = np.where(received == MISSING, record_us, received)
    at = np.where(skewed, arrived - (sent - device), np.where(device == MISSING, record_us, device))
    bad = (device == INVALID) | (skewed & ((sent == INVALID) | (arrived == INVALID)))
    clamped = ~bad & (at > record_us + tolerance_us)
    at = np.where(clamped, record_us, at)
    return np.where(bad | (at < 0) | (at > _LAST_US), INVALID, at), clamped


def _epoch(number: float) -> int:
    try:
        if not math.isfinite(number):
            return INVALID
    except OverflowError:  # JSON's integers have no end, doubles do
        return INVALID
    scale = 1_000_000 if abs(number) < _MS_FROM else 1_000 if abs(number) < _US_FROM else 1
    return _in_range(round(number * scale))


def _iso(text: str) -> int:
    ordinal = _ORDINAL.match(text)
    try:
        if ordinal and not re.match(r"\d{4}-\d{2}-\d{2}|\d{8}", text):
            day = datetime(int(ordinal[1]), 1, 1, tzinfo=UTC) + timedelta(days=int(ordinal[2]) - 1)
            if day.year != int(ordinal[1]):
                return INVALID
            text = day.strftime("%Y-%m-%d") + text[ordinal.end() :]
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return INVALID
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    try:
        since = moment - _EPOCH
    except OverflowError:
        return INVALID
    return _in_range((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds)


def _in_range(at_us: int) -> int:
    return at_us if 0 <= at_us <= _LAST_US else INVALID


@kernel
def _digits(letters: npt.NDArray[np.uint8], start: int, count: int) -> np.int64:
    number = np.int64(0)
    for i in range(start, start + count):
        digit = np.int64(letters[i]) - 48
        if digit < 0 or digit > 9:
            return np.int64(-1)
        number = number * 10 + digit
    return number


@kernel
def usual_time(letters: Bytes, start: int, end: int) -> np.int64:
    """Return the time YYYY-MM-DDTHH:MM:SS[.fraction]Z (also +00:00); INVALID for anything else, MISSING for nothing."""
    if start == end:
        return np.int64(MISSING)
    bad = np.int64(INVALID)
    if end - start < 20 or letters[start + 4] != 45 or letters[start + 7] != 45 or letters[start + 10] != 84:
        return bad
    if letters[start + 13] != 58 or letters[start + 16] != 58:
        return bad
    year, month, day = _digits(letters, start, 4), _digits(letters, start + 5, 2), _digits(letters, start + 8, 2)
    hour, minute = _digits(letters, start + 11, 2), _digits(letters, start + 14, 2)
    second = _digits(letters, start + 17, 2)
    if year < 1970 or year > 2099 or month < 1 or month > 12 or day < 1 or hour < 0 or hour > 23:
        return bad
    if minute < 0 or minute > 59 or second < 0 or second > 59:
        return bad
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    longest = 31 - (month - 1) % 7 % 2 if month != 2 else (29 if leap else 28)
    if day > longest:
        return bad
    at = start + 19
    fraction = np.int64(0)
    if letters[at] == 46:
        at += 1
        scale = 100_000
        first = at
        while at < end and 48 <= letters[at] <= 57:
            fraction += scale * (np.int64(letters[at]) - 48)
            scale //= 10
            at += 1
        if at == first:
            return bad
    if at >= end:
        return bad
    utc = end - at == 1 and letters[at] == 90
    if end - at == 6 and letters[at] == 43 and letters[at + 3] == 58:
        utc = _digits(letters, at + 1, 2) == 0 and _digits(letters, at + 4, 2) == 0
    if not utc:
        return bad
    # Days since 1970 of a civil date (H. Hinnant, chrono-compatible low-level date algorithms).
    y = year - (1 if month <= 2 else 0)
    era = y // 400
    of_era = y - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    return np.int64(((days * 24 + hour) * 60 + minute) * 60_000_000 + second * 1_000_000 + fraction)


@kernel
def epoch_us(letters: Bytes, start: int, end: int) -> np.int64:
    """Return the time of an epoch number without sign, point and exponent; INVALID for what needs a closer look."""
    if end - start > _MOST_EPOCH_DIGITS:
        return np.int64(INVALID)
    number = _digits(letters, start, end - start)
    if number < 0:
        return np.int64(INVALID)
    at_us = number * (1_000_000 if number < _MS_FROM else 1_000 if number < _US_FROM else 1)
    return np.int64(at_us if at_us <= _LAST_US else INVALID)
