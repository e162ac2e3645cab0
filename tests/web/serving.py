"""The web app behind a real server, on a port of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from streams.embedded.process import free_port
from streams.settings import Settings
from streams.web.app import create_app
from streams.web.pages import attach

__all__ = ["served"]


@contextmanager
def served(settings: Settings, *, pages: bool = False) -> Iterator[httpx.Client]:
    """Serve the API, and give a client of it; `pages` attaches them, as the role does, once in a process."""
    port = free_port()
    app = create_app(settings)
    if pages:
        attach(app, app.state.live, settings)
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server doesn't start"
            time.sleep(0.01)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
