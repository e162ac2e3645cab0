"""How often one caller may ask: a bucket of tokens each, filled at a steady rate."""

from __future__ import annotations

import hashlib
import math
import time
from collections import OrderedDict

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Buckets", "RateLimit"]

#: Callers remembered: whoever invents addresses pushes out old ones, each starting with a full bucket again.
_MOST_CALLERS = 10_000


class Buckets:
    """Token buckets by caller.

    Parameters
    ----------
    per_minute : int
        Steady rate of each.
    burst : int
        Most at once.

    Examples
    --------
    >>> buckets = Buckets(60, 2)
    >>> [buckets.take("ann", now) for now in (0.0, 0.0, 0.0, 1.0)]
    [0.0, 0.0, 1.0, 0.0]
    """

    def __init__(self, per_minute: int, burst: int) -> None:
        self._rate, self._burst = per_minute / 60, float(burst)
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, now: float) -> float:
        """Take one; return 0, or after how many seconds there is another."""
        left, at = self._held.pop(caller, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        wait = 0.0 if left >= 1 else (1 - left) / self._rate
        self._held[caller] = (left if wait else left - 1, now)
        while len(self._held) > _MOST_CALLERS:
            self._held.popitem(last=False)
        return wait


class RateLimit:
    """Refuses with 429 who asks too often; a caller is an address, and with a token the pair of both.

    Parameters
    ----------
    app : ASGIApp
        What is protected, under `prefix`.
    buckets : Buckets
        Of all callers.
    """

    def __init__(self, app: ASGIApp, buckets: Buckets, prefix: str) -> None:
        self._app, self._buckets, self._prefix = app, buckets, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "http" and scope["path"].startswith(self._prefix):
            wait = self._buckets.take(_caller(scope), time.monotonic())
            if wait:
                refused = JSONResponse(
                    {"detail": "too many requests"}, 429, headers={"Retry-After": str(math.ceil(wait))}
                )
                await refused(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _caller(scope: Scope) -> str:
    address = scope["client"][0] if scope.get("client") else ""
    said = Headers(scope=scope).get("authorization", "")
    return f"{address} {hashlib.sha256(said.encode('utf-8', 'replace')).hexdigest()[:16] if said else ''}"
