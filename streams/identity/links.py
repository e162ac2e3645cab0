"""What is remembered of one id: a user's links to anonymous ids, or the user that an anonymous id belongs to."""

from __future__ import annotations

from enum import IntEnum

import msgspec

__all__ = ["HELD", "Identity", "Link", "LinkRow", "Status"]


class Status(IntEnum):
    """How a user and an anonymous id stand; a number of the stored format, never used for anything else."""

    CLAIMED = 0
    MERGED = 1
    REFUSED = 2
    #: too many new ids that week; asked again when it is seen again
    LATER = 3
    SPLIT = 4


#: Links that hold or may come to hold have a status below this.
HELD = int(Status.REFUSED)


class Link(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One anonymous id that a user was seen with; `at_us` is the event's time."""

    status: int
    at_us: int


class Identity(msgspec.Struct, array_like=True, gc=False):
    """Everything of one id, as it is stored with the profile. There are as many as ids: none has lists of its own.

    Attributes
    ----------
    links : dict
        Of a user: anonymous id -> how they stand.
    full : bool
        Whether further ids are passed over without being remembered.
    into : str
        Of an anonymous id: the user it belongs to; empty: nobody.
    shared : bool
        It met a second user: what it brought stays with the first, and its later events are a person's own again.
    barred : tuple of str
        Users that it was split from, and never goes to again.
    offset : int
        Where in its partition's log it was given to that user.
    given : tuple of bytes
        The states that it took along, so that the merge can be undone; empty where that is too much to keep.
    gone : tuple of str
        Anonymous ids whose answers and events may still be on their way to a user who was erased: they are dropped.
    """

    links: dict[str, Link] = msgspec.field(default_factory=dict)
    full: bool = False
    into: str = ""
    shared: bool = False
    barred: tuple[str, ...] = ()
    offset: int = -1
    given: tuple[bytes, ...] = ()
    gone: tuple[str, ...] = ()

    def held(self) -> list[int]:
        """Return the times of the links that hold or may come to hold."""
        return [link.at_us for link in self.links.values() if link.status < HELD]


class LinkRow(msgspec.Struct, frozen=True, gc=False):
    """A line of the table `identity_links`.

    Attributes
    ----------
    what : str
        ``merged``, ``refused``, ``split`` or ``undone``.
    at_us : int
        Time of the event (or order) that caused it.
    message : int
        Hash of the event's message id, 0 for an order and for a question asked again.
    id_offset : int
        Where in the log of the anonymous id's partition it was decided; of ``undone`` where what is undone was decided;
        -1: the user's owner decided.
    kafka_offset, item : int
        Where in the user's partition it became known.
    """

    profile_id: str
    anonymous: str
    what: str
    reason: str
    at_us: int
    message: int
    id_offset: int
    kafka_offset: int
    item: int
