"""Events that must be refused, each with the reason it must get."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from streams.contract import Reason

__all__ = ["broken_events"]

_HEAD = b'{"type":"track","event":"Product Viewed",'

_MAKERS: dict[Reason, Callable[[int], bytes]] = {
    Reason.INVALID_UTF8: lambda i: _HEAD + b'"userId":"broken-%d\xff\xfe"}' % i,
    Reason.MALFORMED_JSON: lambda i: _HEAD + b'"userId":"broken-%d"' % i,
    Reason.TOO_DEEP: lambda i: (
        _HEAD + b'"userId":"broken-%d","properties":%s%s}' % (i, b'{"a":' * 40 + b"1", b"}" * 40)
    ),
    Reason.NOT_AN_OBJECT: lambda i: b'"broken-%d"' % i,
    Reason.UNSUPPORTED_TYPE: lambda i: b'{"type":"click","userId":"broken-%d"}' % i,
    Reason.MISSING_IDENTITY: lambda i: _HEAD + b'"userId":null,"anonymousId":"undefined","n":%d}' % i,
    Reason.MISSING_EVENT: lambda i: b'{"type":"track","userId":"broken-%d"}' % i,
    Reason.MISSING_GROUP_ID: lambda i: b'{"type":"group","userId":"broken-%d"}' % i,
    Reason.MISSING_PREVIOUS_ID: lambda i: b'{"type":"alias","userId":"broken-%d"}' % i,
    Reason.INVALID_TIMESTAMP: lambda i: _HEAD + b'"userId":"broken-%d","timestamp":"yesterday"}' % i,
    Reason.NOT_FINITE: lambda i: _HEAD + b'"userId":"broken-%d","properties":{"price":NaN}}' % i,
}


def broken_events(random: np.random.Generator, count: int) -> list[tuple[str, bytes]]:
    """Return (reason, value) of `count` events, every reason about as often."""
    reasons = list(_MAKERS)
    return [(reasons[k].value, _MAKERS[reasons[k]](i)) for i, k in enumerate(random.integers(0, len(reasons), count))]
