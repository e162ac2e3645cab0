"""The web process as one ASGI app: API, probes, and the page."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from encoders import EncoderError
from streams.errors import UnavailableError
from streams.settings import Settings
from streams.telemetry import read_statuses
from streams.web import decide, read
from streams.web.api.auth import TokenBook
from streams.web.api.decisions import changes, decisions
from streams.web.api.limits import Buckets, RateLimit
from streams.web.api.metrics import Counted, Metrics, encoder_gauges
from streams.web.api.routes import router
from streams.web.live import Live

__all__ = ["create_app"]

log = logging.getLogger(__name__)

_JUDGE_EVERY_S = 10.0
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")


def create_app(settings: Settings) -> FastAPI:
    """Return the app; its connections open when it is first asked and close when it shuts down.

    Notes
    -----
    A page elsewhere that has its own name point at this machine (DNS rebinding) is refused: only names that are
    configured, and loopback's, are answered.
    """
    live = Live(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        choosing = any(one.variants for one in settings.experiences)
        judging = asyncio.create_task(_keep_judging(live)) if choosing else None
        yield
        if judging is not None:
            judging.cancel()
        live.close()

    app = FastAPI(
        title="userprism",
        summary="Live user segments: who your users are, how the groups grow, who moves where.",
        version="1",
        lifespan=lifespan,
        docs_url=None,  # both load scripts from another host
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.live, app.state.tokens, app.state.metrics = live, TokenBook(live), Metrics()
    for of in (router, decisions, changes):
        app.include_router(of)
    _add_probes(app, live, settings.run_dir)
    for error in (ClickHouseError, UnavailableError, EncoderError, OSError):
        app.add_exception_handler(error, _away)
    web = settings.web
    app.add_middleware(RateLimit, buckets=Buckets(web.rate_per_minute, web.burst), prefix="/api/")
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[*_LOOPBACK, web.host, *web.hosts])
    app.add_middleware(Counted, metrics=app.state.metrics)
    return app


async def _keep_judging(live: Live) -> None:
    """Let bandits know what came of what they chose."""
    while True:
        await asyncio.sleep(_JUDGE_EVERY_S)
        try:
            await live.tell(decide.judge_exposures, forget=False)
        except (ClickHouseError, UnavailableError, OSError) as error:
            log.warning("exposures can't be judged: ClickHouse doesn't answer (%s)", type(error).__name__)


def _add_probes(app: FastAPI, live: Live, run_dir: Path) -> None:
    @app.get("/health", include_in_schema=False)
    async def health() -> PlainTextResponse:
        """Answer: the process is alive."""
        return PlainTextResponse("ok\n")

    @app.get("/ready", include_in_schema=False)
    async def ready() -> PlainTextResponse:
        """Answer 200 when ClickHouse and its tables can be asked, 503 when not."""
        await live.ask(_schema_is_there)
        return PlainTextResponse("ready\n")

    @app.get("/metrics", include_in_schema=False)
    async def metrics(request: Request) -> PlainTextResponse:
        """Return counters in Prometheus' text format; nothing in them names a person."""
        gauges = await live.ask(_gauges)
        gauges = {**gauges, **encoder_gauges(await asyncio.to_thread(read_statuses, run_dir))}
        return PlainTextResponse(request.app.state.metrics.text(gauges), media_type="text/plain; version=0.0.4")


def _schema_is_there(client: Client) -> None:
    client.query("SELECT count() FROM api_tokens WHERE token_hash = ''")


def _gauges(client: Client) -> dict[str, float]:
    health = read.health(client, minutes=5)
    now = read.segments_now(client)
    gauges: dict[str, float] = {
        "userprism_people": float(now.people + now.unassigned),
        "userprism_segments": float(len(now.segments)),
        "userprism_events_accepted": float(sum(one.accepted for one in health.partitions)),
        "userprism_dead_letters": float(sum(health.dead_letters.values())),
        "userprism_refused_merges": float(sum(health.refused_merges.values())),
    }
    if health.freshness:
        gauges["userprism_freshness_p99_seconds"] = health.freshness[-1].p99_s
    return gauges


async def _away(_request: Request, error: Exception) -> JSONResponse:
    """Say what can't be reached: ClickHouse, or an encoder that isn't installed here."""
    what = "the encoder can't be used here" if isinstance(error, EncoderError) else "ClickHouse doesn't answer"
    return JSONResponse({"detail": f"{what} ({type(error).__name__})"}, 503)
