"""Who is this: links between users and anonymous ids, refusals, merges (DESIGN 7).

`Owner` decides about the ids of one partition and their profiles (`Body`), `records` is what owners say to each other.
Nothing here does I/O.
"""

from __future__ import annotations

from streams.identity.body import Body
from streams.identity.links import Identity, Link, LinkRow, Status
from streams.identity.owner import REASONS, Outgoing, Owner
from streams.identity.records import (
    OPERATOR,
    Envelope,
    EnvelopeError,
    Remind,
    Split,
    Undo,
    decode_envelope,
    encode_envelope,
    envelopes,
)

__all__ = [
    "OPERATOR",
    "REASONS",
    "Body",
    "Envelope",
    "EnvelopeError",
    "Identity",
    "Link",
    "LinkRow",
    "Outgoing",
    "Owner",
    "Remind",
    "Split",
    "Status",
    "Undo",
    "decode_envelope",
    "encode_envelope",
    "envelopes",
]
