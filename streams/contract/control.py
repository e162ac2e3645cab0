"""Control records of `userprism.clicks`: what is said about people between the blocks of events (DESIGN 7).

They lie in the log of the person's partition, so what they do is a function of the log as everything else is. A header
tells them from blocks; the value is JSON with the record's kind in `kind`. A kind more is a class more in `Control`.
"""

from __future__ import annotations

import hashlib

import msgspec

__all__ = [
    "CONTROL_HEADER",
    "ERASE",
    "IDENTITY",
    "SUPPRESSED",
    "Control",
    "ControlError",
    "Erase",
    "decode_control",
    "encode_control",
    "id_hash",
]

#: Name of the header that every control record has; its value is the kind.
CONTROL_HEADER = "userprism-control"
ERASE = b"erase"
#: Says that a control record is in the language of owners (`streams.identity.records`).
IDENTITY = b"identity"
#: Rows of such ids keep the hashes of suppressed ids; the contract refuses ids with NUL, so nobody can claim one.
SUPPRESSED = "\0suppressed/"


class ControlError(ValueError):
    """A record that says it is a control record, and is none that we know."""


class Erase(msgspec.Struct, frozen=True, tag_field="kind", tag="erase", forbid_unknown_fields=True):
    """Forget a person; written by an operator into the person's partition.

    Attributes
    ----------
    erasure : str
        The erasure's id in the table `erasures`.
    profile_id : str
        Whom.
    suppress : bool
        Whether later events of this id are dropped too.
    at_us : int
        When it was asked for, wall clock.
    """

    erasure: str
    profile_id: str
    suppress: bool
    at_us: int


Control = Erase


def encode_control(record: Control) -> tuple[bytes, list[tuple[str, bytes | None]]]:
    """Return (value, headers) of a Kafka record."""
    return msgspec.json.encode(record), [(CONTROL_HEADER, str(record.__struct_config__.tag).encode())]


def decode_control(value: bytes) -> Control:
    """Read one back.

    Raises
    ------
    ControlError
        Another kind, or not whole.
    """
    try:
        return msgspec.json.decode(value, type=Control)
    except msgspec.DecodeError as error:
        msg = f"not a control record ({len(value)} bytes): {error}"
        raise ControlError(msg) from error


def id_hash(profile_id: str) -> str:
    """Return what an erased id is remembered as: SHA-256 of it, so that the list names nobody."""
    return hashlib.sha256(profile_id.encode("utf-8", "surrogatepass")).hexdigest()
