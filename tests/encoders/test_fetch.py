"""Fetching, against a real server that misbehaves in every way the policy is about."""

from __future__ import annotations

import ipaddress
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from encoders import NoVectorError
from encoders.images import Fetcher, FetchPolicy, ImageSource
from tests.encoders.pictures import drawn

PICTURE = drawn()
LIMIT = 20_000
CERTIFICATE = Path(__file__).with_name("localhost.pem")


class Misbehaving(BaseHTTPRequestHandler):
    """`/to/URL` moves on to URL, `/drip` sends a byte now and then, and so on; `asked` keeps every path."""

    asked: list[str]
    ended: threading.Event

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name, _, rest = self.path[1:].partition("/")
        if name == "to":
            self.answer(302, b"", Location=rest)
        elif name == "large":
            self.answer(200, bytes(LIMIT + 1))
        elif name == "endless":
            self.stream(bytes(1000), 0.0)
        elif name == "drip":
            self.stream(b"x", 0.05)
        elif name == "header-drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            self.drip(b"X-Slow: 1\r\n", 0.05)
        elif name == "short":
            self.answer(200, PICTURE[:10], length=len(PICTURE))
        elif name == "zipped":
            self.answer(200, PICTURE, **{"Content-Encoding": "gzip"})
        elif name == "nonsense":
            self.wfile.write(b"\x00\x01 no HTTP at all\r\n\r\n")
        elif name == "missing":
            self.answer(404, PICTURE)
        else:
            self.answer(200, PICTURE)

    def answer(self, status: int, body: bytes, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def stream(self, piece: bytes, pause_s: float) -> None:
        self.send_response(200)
        self.end_headers()
        self.drip(piece, pause_s)

    def drip(self, piece: bytes, pause_s: float) -> None:
        try:
            while not self.ended.wait(pause_s):
                self.wfile.write(piece)
        except OSError:
            return  # the other side has had enough, as it should

    def log_message(self, format: str, *args: object) -> None:
        del format, args


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        del request, client_address


@pytest.fixture
def server() -> Iterator[Quiet]:
    handler = type("Handler", (Misbehaving,), {"asked": [], "ended": threading.Event()})
    with Quiet(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield running
        handler.ended.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def secure(server: Quiet) -> Quiet:
    """The same server behind TLS, with a certificate for the name localhost that nobody but a test should believe."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    return server


def policy(server: Quiet, **changes: object) -> FetchPolicy:
    """Allow that server and nothing else; 127.0.0.2 is an allowed name at an address that isn't."""
    fields = {
        "hosts": ("127.0.0.1", "127.0.0.2", "localhost", "*.localhost"), "ports": (server.server_port,),
        "networks": ("127.0.0.1/32", "::1/128"), "max_bytes": LIMIT, "timeout_s": 5.0,
    }  # fmt: skip
    return FetchPolicy(**{**fields, **changes})  # type: ignore[arg-type]


def url(server: Quiet, path: str, host: str = "127.0.0.1") -> str:
    return f"http://{host}:{server.server_port}/{path}"


def reason(fetcher: Fetcher, asked: str) -> str:
    with pytest.raises(NoVectorError) as caught:
        fetcher.fetch(asked)
    return caught.value.reason


def test_a_picture_is_fetched_through_redirects_absolute_and_relative(server: Quiet) -> None:
    fetcher = Fetcher(policy(server))

    assert fetcher.fetch(url(server, "a.png?size=2")) == PICTURE
    assert fetcher.fetch(url(server, "to//b.png")) == PICTURE
    assert fetcher.fetch(url(server, "to/" + url(server, "c.png"))) == PICTURE
    assert ImageSource(fetcher=fetcher).read(url(server, "d.png")) == PICTURE
    asked = server.RequestHandlerClass.asked  # type: ignore[attr-defined]
    assert [path for path in asked if path[1] in "abcd"] == ["/a.png?size=2", "/b.png", "/c.png", "/d.png"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("large", "too_large"), ("endless", "too_large"), ("short", "unreachable"), ("zipped", "unsupported"),
        ("nonsense", "unreachable"), ("missing", "unreachable"), ("to/ftp://127.0.0.1/a", "refused"),
        ("to/file:///etc/passwd", "refused"), ("to/http://elsewhere.example/a", "refused"),
    ],
)  # fmt: skip
def test_what_a_server_does_wrong_has_its_reason(server: Quiet, path: str, expected: str) -> None:
    assert reason(Fetcher(policy(server)), url(server, path)) == expected


def test_a_redirect_to_a_private_address_is_refused_and_never_asked(server: Quiet) -> None:
    fetcher = Fetcher(policy(server))
    inside = url(server, "secret", host="127.0.0.2")

    assert reason(fetcher, url(server, f"to/{inside}")) == "refused"
    assert server.RequestHandlerClass.asked == [f"/to/{inside}"]  # type: ignore[attr-defined]


def test_without_an_allowed_network_not_even_the_first_address_is_asked(server: Quiet) -> None:
    for host in ("127.0.0.1", "localhost"):
        assert reason(Fetcher(policy(server, networks=())), url(server, "a", host)) == "refused"
    assert server.RequestHandlerClass.asked == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "asked",
    [
        "http://elsewhere.example/a.png", "http://127.0.0.1:1/a.png", "http://me:secret@127.0.0.1/a.png",
        "ftp://127.0.0.1/a.png", "http://127.0.0.1.elsewhere.example/", "http:///a.png",
    ],
)  # fmt: skip
def test_what_the_policy_doesnt_name_is_refused(server: Quiet, asked: str) -> None:
    assert reason(Fetcher(policy(server, ports=(80, server.server_port))), asked) == "refused"


def test_a_path_cant_smuggle_another_request(server: Quiet) -> None:
    assert reason(Fetcher(policy(server)), url(server, "a b")) == "refused"
    assert reason(Fetcher(policy(server)), "http://127.0.0.1:port/") == "broken"


@pytest.mark.parametrize("path", ["drip", "header-drip"])
def test_a_server_that_dribbles_is_left_after_the_time(server: Quiet, path: str) -> None:
    began = time.monotonic()

    assert reason(Fetcher(policy(server, timeout_s=0.3)), url(server, path)) == "unreachable"

    assert time.monotonic() - began < 30  # it would dribble for ever


def test_https_is_fetched_when_the_certificate_is_believed_and_names_the_host(secure: Quiet) -> None:
    believing = ssl.create_default_context(cafile=str(CERTIFICATE))
    asked = f"https://localhost:{secure.server_port}/"

    assert Fetcher(policy(secure), believing).fetch(asked + "a") == PICTURE
    assert Fetcher(policy(secure), believing).fetch(asked + "to//b") == PICTURE
    assert reason(Fetcher(policy(secure)), asked + "c") == "unreachable"
    assert reason(Fetcher(policy(secure), believing), asked.replace("localhost", "127.0.0.1") + "d") == "unreachable"
    assert reason(Fetcher(policy(secure, timeout_s=0.5), believing), asked + "drip") == "unreachable"


def test_it_moves_on_only_so_often(server: Quiet) -> None:
    fetcher = Fetcher(policy(server, redirects=1))

    assert fetcher.fetch(url(server, "to//a")) == PICTURE
    assert reason(fetcher, url(server, "to//to//a")) == "unreachable"


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("93.184.216.34", True), ("2606:4700::1111", True), ("10.0.0.1", False), ("192.168.1.1", False),
        ("172.16.0.1", False), ("169.254.169.254", False), ("127.0.0.1", False), ("0.0.0.1", False),
        ("100.64.0.1", False), ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False), ("::", False),
        ("fe80::1", False), ("fc00::1", False), ("ff02::1", False), ("::ffff:10.0.0.1", False),
        ("::ffff:93.184.216.34", True), ("64:ff9b::10.0.0.1", False), ("64:ff9b::93.184.216.34", True),
        ("2002:a00:1::1", False), ("::10.0.0.1", False),
    ],
)  # fmt: skip
def test_addresses_that_may_be_asked(address: str, may: bool) -> None:
    assert Fetcher(FetchPolicy(hosts=()))._may(ipaddress.ip_address(address)) is may
