"""A real HTTP server of a test's own, on a free port of loopback."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["JsonHandler", "LocalServer"]


class LocalServer(ThreadingHTTPServer):
    """Answers from when it is made until it is closed."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.server_port}"

    def close(self) -> None:
        """Stop, and give the port back."""
        self.shutdown()
        self.server_close()


class JsonHandler(BaseHTTPRequestHandler):
    """What handlers of posted JSON share."""

    def do_POST(self) -> None:
        self.posted(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def posted(self, body: Any) -> None:
        """Answer; a handler's own."""
        raise NotImplementedError

    def log_message(self, *_: object) -> None:
        """Say nothing."""
