"""A way to ClickHouse that can be slow, or keep a commit back: real requests, to the real engine, a while later."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

__all__ = ["Proxy"]

_CHUNK = 1 << 16
_COMMIT = b"INSERT INTO profiles"


class Proxy:
    """Forwards connections on loopback to `port`.

    Attributes
    ----------
    port : int
        Where it listens.
    delay_s : float
        What every commit waits here before it goes on.
    held : threading.Event
        Set once a commit is kept back; see `hold`.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.delay_s = 0.0
        self.held = threading.Event()
        self._holding = False
        self._released = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        """Keep the next commit back until `release`."""
        self.held.clear()
        self._released.clear()
        self._holding = True

    def release(self) -> None:
        """Let it go on."""
        self._holding = False
        self._released.set()

    def close(self) -> None:
        """Take no more connections."""
        self.release()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # a thread that waits in accept would keep it open
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._upstream))
            except ConnectionRefusedError:  # ClickHouse is away: so are we
                client.close()
                continue
            except OSError:
                return
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, asking: bool) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if asking and _COMMIT in chunk[:4096]:
                    self._keep_back()
                target.sendall(chunk)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _keep_back(self) -> None:
        time.sleep(self.delay_s)
        if self._holding:
            self._holding = False
            self.held.set()
            self._released.wait()
