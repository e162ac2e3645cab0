"""ClickHouse's HTTP interface in front of the embedded engine: enough of it that clickhouse-connect needs no change.

Served: GET and POST with `query`, `database`, `default_format`, `param_*` and settings in the URL, the statement or its
data in the body (also multipart, chunked, or compressed with lz4, zstd, gzip), /ping, errors with ClickHouse's codes.
Not served: sessions (`session_id` is ignored), external tables, ClickHouse's own block compression.
"""

from __future__ import annotations

import binascii
import hmac
import json
import logging
import threading
import uuid
from base64 import b64decode
from dataclasses import dataclass
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from streams.embedded.engine import Engine, EngineError, Reply, Request
from streams.embedded.http_body import BodyError, compress, decompress, read_body
from streams.embedded.process import HOST

__all__ = ["ClickHouseServer", "Credential"]

_log = logging.getLogger(__name__)

_AUTHENTICATION_FAILED = 516
_NOT_IMPLEMENTED = 48

#: As the server maps them (src/Server/HTTPHandler.cpp, exceptionCodeToHTTPStatus); any other code is a 500.
_STATUS_OF_CODE = {
    **dict.fromkeys((6, 25, 26, 27, 36, 38, 41, 43, 53, 62, 69, 72, 117, 168, 427), 400),
    194: 401,
    **dict.fromkeys((192, 193, 497, 516), 403),
    **dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 81, 115), 404),
    159: 408,
    48: 501,
    202: 503,
    439: 503,
}

#: Of the request, not settings of the query.
_RESERVED = frozenset({
    "buffer_size", "client_protocol_version", "compress", "database", "decompress", "default_format",
    "enable_http_compression", "http_headers_progress_interval_ms", "password", "query", "query_id", "quota_key",
    "role", "send_progress_in_http_headers", "session_check", "session_id", "session_timeout", "stacktrace",
    "user", "wait_end_of_query",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Credential:
    """A user that may connect; a reader may only ask."""

    user: str
    password: str
    reader: bool = False


class ClickHouseServer(ThreadingHTTPServer):
    """A thread per connection; the engine runs their statements side by side.

    Parameters
    ----------
    engine : Engine
        Runs the statements.
    port : int
        On loopback.
    credentials : list of Credential
        Who may connect.
    """

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, engine: Engine, port: int, credentials: list[Credential]) -> None:
        self.engine = engine
        self.credentials = credentials
        self._running = 0
        self._idle = threading.Condition()
        super().__init__((HOST, port), _Handler)

    def run(self, request: Request) -> Reply:
        """Run a statement, counted, so that a stop can wait for it."""
        with self._idle:
            self._running += 1
        try:
            return self.engine.run(request)
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def drain(self, timeout_s: float) -> bool:
        """Wait until nothing runs; False if something still does after `timeout_s`."""
        with self._idle:
            return self._idle.wait_for(lambda: self._running == 0, timeout_s)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a broken connection in a line instead of a traceback on stderr."""
        _log.debug("connection from %s broke", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: ClickHouseServer
    protocol_version = "HTTP/1.1"
    server_version = "userprism-clickhouse"
    disable_nagle_algorithm = True
    rbufsize = 1 << 20

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)

    def _answer(self) -> None:
        self._query_id = str(uuid.uuid4())
        url = urlsplit(self.path)
        try:
            body = read_body(self.rfile, self.headers["Content-Length"], self.headers["Transfer-Encoding"])
        except BodyError as error:
            self.close_connection = True
            self._send(error.status, f"{error}\n".encode(), "text/plain; charset=UTF-8")
            return
        if url.path in {"/ping", "/replicas_status"} or (url.path == "/" and not url.query and not body):
            self._send(200, b"Ok.\n", "text/html; charset=UTF-8")
            return
        if url.path != "/":
            self._send(404, f"There is no handle {url.path}\n".encode(), "text/plain; charset=UTF-8")
            return
        parameters = dict(parse_qsl(url.query, keep_blank_values=True, errors="surrogateescape"))
        try:
            self._execute(parameters, decompress(body, self.headers["Content-Encoding"]))
        except BodyError as error:
            self._send_error(36, f"Code: 36. DB::Exception: {error}. (BAD_ARGUMENTS)")
        except EngineError as error:
            self._send_error(error.code, str(error))

    def _execute(self, parameters: dict[str, str], body: bytes) -> None:
        credential = self._authenticate(parameters)
        if self.headers.get_content_type() == "multipart/form-data":
            parameters.update(self._form(body))
            body = b""
        if "1" in {parameters.get("compress"), parameters.get("decompress")}:
            message = (
                f"Code: {_NOT_IMPLEMENTED}. DB::Exception: use Content-Encoding, not compress=1. (NOT_IMPLEMENTED)"
            )
            raise EngineError(_NOT_IMPLEMENTED, message)
        self._query_id = parameters.get("query_id") or self._query_id
        settings = {k: v for k, v in parameters.items() if k not in _RESERVED and not k.startswith("param_")}
        if self.command == "GET" and not credential.reader:
            settings.setdefault("readonly", "2")
        request = Request(
            text=parameters.get("query", "").encode("utf-8", "surrogateescape"),
            body=body,
            database=parameters.get("database") or self.headers["X-ClickHouse-Database"] or "",
            default_format=parameters.get("default_format") or self.headers["X-ClickHouse-Format"] or "TabSeparated",
            settings=settings,
            parameters={k.removeprefix("param_"): v for k, v in parameters.items() if k.startswith("param_")},
            reader=credential.reader,
        )
        reply = self.server.run(request)
        payload, encoding = reply.payload, None
        if parameters.get("enable_http_compression") == "1":
            payload, encoding = compress(payload, self.headers["Accept-Encoding"])
        self._send(200, payload, "text/plain; charset=UTF-8", _reply_headers(reply, encoding))

    def _form(self, body: bytes) -> dict[str, str]:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        fields = {}
        for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():
            name = part.get_param("name", header="content-disposition")
            content = part.get_payload(decode=True)
            if part.get_filename() is not None or not isinstance(content, bytes):
                message = f"Code: {_NOT_IMPLEMENTED}. DB::Exception: external table {name!r}. (NOT_IMPLEMENTED)"
                raise EngineError(_NOT_IMPLEMENTED, message)
            fields[str(name)] = content.decode("utf-8", "surrogateescape")
        return fields

    def _authenticate(self, parameters: dict[str, str]) -> Credential:
        user = self.headers.get("X-ClickHouse-User", parameters.get("user", "default"))
        password = self.headers.get("X-ClickHouse-Key", parameters.get("password", ""))
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = b64decode(encoded, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                user = ""
        for credential in self.server.credentials:
            given, known = (f"{u}\0{p}".encode() for u, p in ((user, password), (credential.user, credential.password)))
            if hmac.compare_digest(given, known):
                return credential
        message = (
            f"Code: {_AUTHENTICATION_FAILED}. DB::Exception: {user}: Authentication failed: password is incorrect, "
            "or there is no user with such name. (AUTHENTICATION_FAILED)"
        )
        raise EngineError(_AUTHENTICATION_FAILED, message)

    def _send_error(self, code: int, message: str) -> None:
        _log.info("code %d: %s", code, message.splitlines()[0][:500])
        if "(version " not in message:
            message = f"{message} (version {self.server.engine.version})"
        headers = {"X-ClickHouse-Exception-Code": str(code)}
        self._send(_STATUS_OF_CODE.get(code, 500), f"{message}\n".encode(), "text/plain; charset=UTF-8", headers)

    def _send(
        self, status: int, payload: memoryview | bytes, content_type: str, headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("X-ClickHouse-Server-Display-Name", "userprism")
        self.send_header("X-ClickHouse-Query-Id", self._query_id)
        self.send_header("X-ClickHouse-Timezone", "UTC")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)


def _reply_headers(reply: Reply, encoding: str | None) -> dict[str, str]:
    summary = {
        "read_rows": reply.read_rows,
        "read_bytes": reply.read_bytes,
        "written_rows": reply.written_rows,
        "written_bytes": reply.written_bytes,
        "elapsed_ns": int(reply.elapsed_s * 1e9),
    }
    headers = {"X-ClickHouse-Summary": json.dumps({name: str(value) for name, value in summary.items()})}
    if reply.format:
        headers["X-ClickHouse-Format"] = reply.format
    if encoding:
        headers["Content-Encoding"] = encoding
    return headers
