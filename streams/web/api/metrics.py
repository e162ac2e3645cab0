"""What the web process counts of itself, in Prometheus' text format."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Counted", "Metrics", "encoder_gauges"]

#: Of an encoder's status.
_ENCODER_FIELDS = ("encoded", "cached", "missing", "queue", "hit_rate", "batches", "batch_size")
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
        """Return everything, `gauges` included, one line each; a gauge's name may hold labels."""
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
            told = f"# TYPE {name.partition('{')[0]} gauge"
            lines += [*([] if told in lines else [told]), f"{name} {value:.10g}"]
        return "\n".join(lines) + "\n"


def encoder_gauges(statuses: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return what the encoders of this machine say of themselves, as gauges with their instance as a label.

    Parameters
    ----------
    statuses : mapping
        `streams.telemetry.read_statuses`'s.
    """
    encoders = {name: fields for name, fields in statuses.items() if "hit_rate" in fields}
    gauges = {
        f'userprism_encoder_{field}{{instance="{_quoted(name)}"}}': float(fields[field])
        for field in _ENCODER_FIELDS
        for name, fields in encoders.items()
        if field in fields
    }
    for name, fields in encoders.items():
        labels = {"instance": name, "provider": str(fields.get("provider", "")), "space": str(fields.get("space", ""))}
        told = ",".join(f'{label}="{_quoted(value)}"' for label, value in labels.items())
        gauges[f"userprism_encoder_info{{{told}}}"] = 1.0
    return gauges


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
