"""What owners tell each other: records of `userprism.clicks` between the blocks of events (DESIGN 7).

An owner gathers what one record of its log makes it say to another owner into one envelope (cut when it would be too
large for a Kafka message). Where it came from, (source partition, source offset, index), is its place in the order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from streams.contract.control import ControlError
from streams.contract.frames import closed, opened

__all__ = [
    "OPERATOR",
    "Absorb",
    "Claim",
    "Envelope",
    "EnvelopeError",
    "Forward",
    "Item",
    "Probe",
    "Refuse",
    "Release",
    "Remind",
    "Split",
    "TakeBack",
    "Undo",
    "decode_envelope",
    "encode_envelope",
    "envelopes",
    "in_groups",
]

#: The source of what a person ordered (`userprism split`): it has no log, and repeating it changes nothing.
OPERATOR = -1

#: Below Kafka's default of 1 MB for a message, as blocks are.
_MAX_BYTES = 900_000
#: An envelope's index has 16 bits in a mark.
_MAX_INDEX = 0xFFFF
_VERSION = 1
#: States of one Absorb together stay far below the size of a message; a larger one comes in several.
_MAX_STATES_BYTES = 400_000


class EnvelopeError(ControlError):
    """Bytes that are no envelope of a version we know."""


class _Item(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One thing said about an id; `at_us` and `message` are time and message hash of the event that caused it."""


class Claim(_Item, frozen=True, tag=1, gc=False):
    """To the owner of an anonymous id: `user` was seen with it and asks for it, or asks `again` what became of that."""

    user: str
    anonymous: str
    at_us: int
    message: int
    again: bool = False


class Absorb(_Item, frozen=True, tag=2, gc=False):
    """To the user's owner: the id is theirs, and this is what was known of it.

    `states` are packed states to be merged one after the other; `more` says that another Absorb brings the rest;
    `again` that it answers a question asked again, and counts only where no answer came before.
    """

    user: str
    anonymous: str
    at_us: int
    message: int
    states: tuple[bytes, ...]
    more: bool
    again: bool = False


class Refuse(_Item, frozen=True, tag=3, gc=False):
    """To the user's owner: the id stays where it is."""

    user: str
    anonymous: str
    at_us: int
    message: int
    reason: str


class Probe(_Item, frozen=True, tag=4, gc=False):
    """To the owner of a previousId, taken as a userId: unless there is such a person, claim it as an anonymous id."""

    user: str
    previous: str
    at_us: int
    message: int


class Forward(_Item, frozen=True, tag=5, gc=False):
    """To the user's owner: events of merged ids, as a block that names the user as the person."""

    block: bytes


class Split(_Item, frozen=True, tag=6, gc=False):
    """To the owner of an anonymous id, from an operator: it is a person of its own from now on."""

    anonymous: str
    at_us: int


class Undo(_Item, frozen=True, tag=7, gc=False):
    """To the owner of an anonymous id, from an operator: split it, and take back what it brought."""

    anonymous: str
    at_us: int


class Release(_Item, frozen=True, tag=8, gc=False):
    """To the user's owner: the id was split off."""

    user: str
    anonymous: str
    at_us: int


class TakeBack(_Item, frozen=True, tag=9, gc=False):
    """To the user's owner: the id, given away at `offset` of its log, was split off; take out what it had brought."""

    user: str
    anonymous: str
    at_us: int
    offset: int
    states: tuple[bytes, ...]


class Remind(_Item, frozen=True, tag=10, gc=False):
    """To every owner, when a broker has lost the end of its logs: ask again for all that no answer came to."""

    at_us: int


Item = Claim | Absorb | Refuse | Probe | Forward | Split | Undo | Release | TakeBack | Remind


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """What one record of a source's log makes it say to one owner.

    Attributes
    ----------
    source, offset, index : int
        Partition and offset of the record that caused it, and which of several envelopes this is.
    layout : str
        Descriptor of the layout that the states in it were packed under.
    """

    version: int
    source: int
    offset: int
    index: int
    layout: str
    items: list[Item]

    @property
    def mark(self) -> int:
        """Its place in the order of its source."""
        return self.offset << 16 | self.index


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Envelope).decode


def encode_envelope(envelope: Envelope) -> bytes:
    """Write an envelope as msgpack."""
    return _encode(envelope)


def decode_envelope(data: bytes) -> Envelope:
    """Read one back, in a frame or not.

    Raises
    ------
    EnvelopeError
        Another version, or no envelope at all.
    """
    try:
        envelope = _decode(opened(data))
    except (msgspec.DecodeError, ValueError, OSError) as error:
        msg = f"not a record of identity ({len(data)} bytes): {error}"
        raise EnvelopeError(msg) from error
    if envelope.version != _VERSION:
        msg = f"a record of identity of version {envelope.version}; this userprism reads version {_VERSION}"
        raise EnvelopeError(msg)
    return envelope


def envelopes(source: int, offset: int, layout: str, items: Sequence[Item]) -> Iterator[bytes]:
    """Yield what is to be sent for one record and one owner, in frames: one envelope, or several that fit a message."""
    waiting, index = [list(items)], 0
    while waiting:
        part = waiting.pop()
        data = encode_envelope(Envelope(_VERSION, source, offset, index, layout, part))
        if len(data) > _MAX_BYTES and len(part) > 1 and index < _MAX_INDEX:
            half = len(part) // 2
            waiting += [part[half:], part[:half]]
            continue
        yield closed(data)
        index += 1


def in_groups(states: Sequence[bytes]) -> list[tuple[bytes, ...]]:
    """Cut what is given of one id into groups that fit into an Absorb each; at least one."""
    if len(states) < 2:  # nearly everybody's
        return [tuple(states)]
    groups: list[tuple[bytes, ...]] = [()]
    size = 0
    for state in states:
        if groups[-1] and size + len(state) > _MAX_STATES_BYTES:
            groups.append(())
            size = 0
        groups[-1] += (state,)
        size += len(state)
    return groups
