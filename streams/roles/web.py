"""Web: the page and the API. It reads what is in ClickHouse, and nothing waits for it."""

from __future__ import annotations

import gc
import logging
import threading
import time

import uvicorn

from streams.errors import ConfigurationError
from streams.settings import Settings
from streams.telemetry import RoleStatus
from streams.web.app import create_app
from streams.web.pages import attach

__all__ = ["run"]

log = logging.getLogger(__name__)

_LOOK_S = 0.1
#: Open pages hold connections for as long as they are looked at; a stopping stack has less patience.
_STOP_S = 1


def run(settings: Settings, stop: threading.Event) -> None:
    """Serve until `stop` is set.

    Raises
    ------
    ConfigurationError
        The address can't be listened on.
    """
    settings.require_clickhouse()
    web = settings.web
    status = RoleStatus(settings.run_dir, web.instance_id)
    app = create_app(settings)
    attach(app, app.state.live, settings)
    gc.collect()
    gc.freeze()  # what is there by now stays: a full collection would go through it for 80 ms while visitors wait
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=web.host,
            port=web.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_STOP_S,
        )
    )
    serving = threading.Thread(target=server.run, name="web", daemon=True)
    serving.start()
    try:
        _serve(server, serving, status, settings, stop)
    finally:
        server.should_exit = True
        serving.join(_STOP_S + 1)
        status.close()


def _serve(
    server: uvicorn.Server, serving: threading.Thread, status: RoleStatus, settings: Settings, stop: threading.Event
) -> None:
    url = f"http://{settings.web.host}:{settings.web.port}"
    while not stop.is_set():
        if not serving.is_alive():
            msg = f"nothing can listen on {url}; set web.host and web.port, or stop what does"
            raise ConfigurationError(msg)
        if server.started:
            status.update(state="ready", url=url, seen=time.time())
        stop.wait(_LOOK_S)
    status.update(state="stopping")
