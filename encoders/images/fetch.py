"""Pictures over http(s), asked for by strangers: where to, how much, how long and how often on is limited.

An address is checked after the name is resolved, and it is that address which is connected to: a name that resolves
otherwise a moment later changes nothing. Every redirect is checked as if it were the first request.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from encoders.errors import NoVectorError

__all__ = ["FetchPolicy", "Fetcher"]

_MOVED = frozenset({301, 302, 303, 307, 308})
_CHUNK = 65_536
#: IPv6 networks that carry an IPv4 address inside, and where in its 16 bytes: NAT64, 6to4.
_CARRIERS = ((ipaddress.ip_network("64:ff9b::/96"), 12), (ipaddress.ip_network("2002::/16"), 2))

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class FetchPolicy:
    """What may be fetched.

    Attributes
    ----------
    hosts : tuple of str
        Names that may be asked; ``*.example.com`` is every name below it. Nothing else is.
    ports : tuple of int
        Ports that may be asked.
    networks : tuple of str
        Private networks that may be, for an own image server, as CIDR. Public addresses always may.
    max_bytes : int
        Of one picture.
    timeout_s : float
        For one picture, all redirects together.
    redirects : int
        How often on.
    """

    hosts: tuple[str, ...]
    ports: tuple[int, ...] = (80, 443)
    networks: tuple[str, ...] = ()
    max_bytes: int = 10_000_000
    timeout_s: float = 5.0
    redirects: int = 3


class Fetcher:
    """Fetches within a policy.

    Parameters
    ----------
    policy : FetchPolicy
        What may be fetched.
    tls : ssl.SSLContext, optional
        Whose certificates are believed; by default those the system believes.
    """

    def __init__(self, policy: FetchPolicy, tls: ssl.SSLContext | None = None) -> None:
        self._policy = policy
        self._networks = tuple(ipaddress.ip_network(network) for network in policy.networks)
        self._tls = tls or ssl.create_default_context()

    def fetch(self, url: str) -> bytes:
        """Return what is at a URL.

        Raises
        ------
        NoVectorError
            ``refused`` by the policy, ``too_large``, ``unreachable`` (also: it took too long, or moved on too often),
            or ``unsupported`` when it is compressed in transit, which could hide any size.
        """
        until = time.monotonic() + self._policy.timeout_s
        for _ in range(self._policy.redirects + 1):
            parts = self._allowed(url)
            try:
                moved, body = self._request(parts, until)
            except (OSError, http.client.HTTPException, ValueError) as error:
                reason = "unreachable"
                raise NoVectorError(reason, f"{type(error).__name__}: {error}") from error
            if not moved:
                return body
            url = urljoin(url, moved)
        reason = "unreachable"
        raise NoVectorError(reason, f"moved on more than {self._policy.redirects} times")

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send something to a URL and return the status of the answer, which isn't read; nobody is followed elsewhere.

        Raises
        ------
        NoVectorError
            ``refused`` by the policy, ``broken`` or ``unreachable``.
        """
        with self._posted(url, body, headers, time.monotonic() + self._policy.timeout_s) as answer:
            return answer.status

    def ask(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Send something to a URL and return status and body of the answer; nobody is followed elsewhere.

        Raises
        ------
        NoVectorError
            ``refused`` by the policy, ``broken``, ``unreachable`` or ``too_large``.
        """
        until = time.monotonic() + self._policy.timeout_s
        with self._posted(url, body, headers, until) as answer:
            return answer.status, self._body(answer, until)

    @contextmanager
    def _posted(
        self, url: str, body: bytes, headers: Mapping[str, str], until: float
    ) -> Iterator[http.client.HTTPResponse]:
        parts = self._allowed(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        port = parts.port or _default_port(parts.scheme)
        try:
            with self._connected(parts.hostname or "", port, parts.scheme == "https", until) as connection:
                connection.request("POST", target, body=body, headers=dict(headers))
                with closing(connection.getresponse()) as answer:
                    yield answer
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = "unreachable"
            raise NoVectorError(reason, f"{type(error).__name__}: {error}") from error

    def _allowed(self, url: str) -> SplitResult:
        """Return the URL's parts if scheme, host and port are allowed."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower().rstrip("."), parts.port or _default_port(parts.scheme)
        except ValueError as error:
            reason = "broken"
            raise NoVectorError(reason, f"no URL: {error}") from error
        why = ""
        if parts.scheme not in {"http", "https"}:
            why = f"scheme {parts.scheme!r}"
        elif parts.username is not None or parts.password is not None:
            why = "a URL with credentials"
        elif not any(_matches(host, pattern) for pattern in self._policy.hosts):
            why = f"host {host!r} isn't on the list"
        elif port not in self._policy.ports:
            why = f"port {port}"
        elif any(ord(c) <= 32 or ord(c) > 126 for c in parts.path + parts.query):
            why = "characters that a URL can't have"
        if why:
            reason = "refused"
            raise NoVectorError(reason, why)
        return parts

    def _request(self, parts: SplitResult, until: float) -> tuple[str, bytes]:
        """Return where it has moved to, or "" and the body."""
        host, port = parts.hostname or "", parts.port or _default_port(parts.scheme)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        with self._connected(host, port, parts.scheme == "https", until) as connection:
            connection.request("GET", target, headers={"Accept": "image/*", "Accept-Encoding": "identity"})
            with closing(connection.getresponse()) as answer:
                if answer.status in _MOVED and (place := answer.getheader("Location")):
                    return place, b""
                if answer.status != 200:
                    reason = "unreachable"
                    raise NoVectorError(reason, f"status {answer.status}")
                if answer.getheader("Content-Encoding", "identity").lower() != "identity":
                    reason = "unsupported"
                    raise NoVectorError(reason, "compressed in transit")
                return "", self._body(answer, until)

    def _body(self, answer: http.client.HTTPResponse, until: float) -> bytes:
        limit = self._policy.max_bytes
        if answer.length is not None and answer.length > limit:
            reason = "too_large"
            raise NoVectorError(reason, f"{answer.length:,} bytes")
        announced, body = answer.length, bytearray()
        while chunk := answer.read(_CHUNK):
            body += chunk
            if len(body) > limit:
                reason = "too_large"
                raise NoVectorError(reason, f"more than {limit:,} bytes")
        if time.monotonic() > until or (announced is not None and len(body) < announced):
            msg = f"cut off after {len(body):,} bytes"
            raise TimeoutError(msg)
        return bytes(body)

    @contextmanager
    def _connected(self, host: str, port: int, tls: bool, until: float) -> Iterator[http.client.HTTPConnection]:
        """Give a connection to an address that was checked; it is cut when the time is over, whatever dribbles in."""
        addresses = self._checked_addresses(host, port, until)
        connection = http.client.HTTPConnection(host, port)
        raw = _connect(addresses, port, until)
        if tls:
            connection = http.client.HTTPSConnection(host, port, context=self._tls)
            raw = self._tls.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
        connection.sock = raw
        # A timeout of the socket starts anew with every byte, so it can't end a server that sends one a second.
        watchdog = threading.Timer(max(0.0, until - time.monotonic()), _cut, [raw])
        watchdog.daemon = True
        watchdog.start()
        try:
            if isinstance(raw, ssl.SSLSocket):
                raw.do_handshake()
            yield connection
        finally:
            watchdog.cancel()
            connection.close()

    def _checked_addresses(self, host: str, port: int, until: float) -> list[Address]:
        found = _resolve(host, port, _left(until))
        forbidden = [address for address in found if not self._may(address)]
        if forbidden or not found:
            reason = "refused" if forbidden else "unreachable"
            raise NoVectorError(reason, f"{host} is at {', '.join(map(str, forbidden)) or 'no address'}")
        return found

    def _may(self, address: Address) -> bool:
        if any(address in network for network in self._networks):
            return True
        inner = _carried(address)
        if inner is not None:
            return self._may(inner)
        return address.is_global and not address.is_multicast and not address.is_reserved


def _carried(address: Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 one stands for."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    for network, at in _CARRIERS:
        if address in network:
            return ipaddress.IPv4Address(address.packed[at : at + 4])
    return None


def _resolve(host: str, port: int, timeout_s: float) -> list[Address]:
    """Return the addresses of a name; the resolver has no timeout of its own, so it works beside us."""
    found: list[Address] = []

    def ask() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            return
        found.extend(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in entries)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return [] if thread.is_alive() else found


def _connect(addresses: list[Address], port: int, until: float) -> socket.socket:
    for address in addresses[:-1]:
        try:
            return socket.create_connection((str(address), port), _left(until) / 2)
        except OSError:
            continue  # the next may answer: a name often has an IPv6 address that leads nowhere
    return socket.create_connection((str(addresses[-1]), port), _left(until))


def _matches(host: str, pattern: str) -> bool:
    if pattern.startswith("*."):
        return host.endswith(pattern[1:].lower())
    return host == pattern.lower()


def _default_port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        msg = "out of time"
        raise TimeoutError(msg)
    return left


def _cut(raw: socket.socket) -> None:
    try:
        raw.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it was closed in the meantime
