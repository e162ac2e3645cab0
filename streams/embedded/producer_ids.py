"""Producer ids that a killed broker may have given out and forgotten.

The embedded broker counts them up and saves the count with everything else, so after a kill -9 it gives out again what
producers from before still hold. Two producers under one id take each other's sequence numbers for repeats: records are
then acknowledged and thrown away, or wait for ever (seen). Asking for ids beyond what it can have forgotten ends that.
"""

from __future__ import annotations

import socket
import struct
from io import BufferedReader

__all__ = ["skip_producer_ids"]

_INIT_PRODUCER_ID, _VERSION = 22, 0
_TIMEOUT_S = 5.0
#: A producer asks for one id in its life; nobody starts so many within the 3 s that a kill -9 forgets.
_SKIPPED = 1_000


def skip_producer_ids(host: str, port: int, count: int = _SKIPPED) -> int:
    """Ask for `count` producer ids (InitProducerId without a transactional id) and return the last.

    Raises
    ------
    OSError
        The broker doesn't answer, or not with an id.
    """
    client = b"userprism"
    with socket.create_connection((host, port), _TIMEOUT_S) as connection, connection.makefile("rb") as answers:
        producer_id = -1
        for number in range(count):
            head = struct.pack(">hhih", _INIT_PRODUCER_ID, _VERSION, number, len(client)) + client
            body = head + struct.pack(">hi", -1, 60_000)  # no transactional id; a timeout that then means nothing
            connection.sendall(struct.pack(">i", len(body)) + body)
            (size,) = struct.unpack(">i", _exactly(answers, 4))
            _, _, error, producer_id = struct.unpack(">iihq", _exactly(answers, size)[:18])
            if error:
                msg = f"the broker at {host}:{port} gives no producer id: Kafka error {error}"
                raise OSError(msg)
    return int(producer_id)


def _exactly(source: BufferedReader, size: int) -> bytes:
    data: bytes = source.read(size)
    if len(data) != size:
        msg = f"the broker closed the connection after {len(data)} of {size} bytes"
        raise OSError(msg)
    return data
