"""What the web process counts of itself, in Prometheus' text format."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, defaultdict

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Counted", "Metrics"]

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """Requests by route, method and status, and how long they took."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: dict[str, list[int]] = defaultdict(lambda: [0] * (len(_BUCKETS_S) + 1))
        self._seconds: defaultdict[str, float] = defaultdict(float)

    def saw(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests[route, method, status] += 1
        self._buckets[route][bisect_left(_BUCKETS_S, seconds)] += 1
        self._seconds[route] += seconds

    def text(self, gauges: dict[str, float]) -> str:
        """Return everything, `gauges` included, one line each."""
        lines = ["# TYPE userprism_web_requests_total counter"]
        for (route, method, status), n in sorted(self._requests.items()):
            labels = f'route="{_quoted(route)}",method="{method}",status="{status}"'
            lines.append(f"userprism_web_requests_total{{{labels}}} {n}")
        lines.append("# TYPE userprism_web_request_seconds histogram")
        for route, counts in sorted(self._buckets.items()):
            at_most = 0
            for bound, n in zip((*_BUCKETS_S, "+Inf"), counts, strict=True):
                at_most += n
                lines.append(f'userprism_web_request_seconds_bucket{{route="{_quoted(route)}",le="{bound}"}} {at_most}')
            lines.append(f'userprism_web_request_seconds_sum{{route="{_quoted(route)}"}} {self._seconds[route]:.6f}')
            lines.append(f'userprism_web_request_seconds_count{{route="{_quoted(route)}"}} {at_most}')
        for name, value in gauges.items():
            lines += [f"# TYPE {name} gauge", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"


class Counted:
    """Counts every HTTP request by the route that answered it; an unknown path is one route, not a label of its own."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            route = getattr(scope.get("route"), "path", "(none)")
            self._metrics.saw(route, scope["method"], status, time.perf_counter() - started)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
