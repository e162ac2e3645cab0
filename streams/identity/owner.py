"""An owner: everything about the ids of one partition, decided from what lies in that partition's log and nothing else.

There is no table of aliases that everybody shares, and no lock. The owner of a user asks the owner of an anonymous id
(claim); that one gives it away once (absorb) or not (refuse), and from then on sends on what comes for it (forward).
Only anonymous -> user, so there are no chains and no cycles.

Everything here is a function of the records applied so far. So a record applied again after a crash says the same to
the same owners under the same marks, and they pass it over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar

import msgspec

from streams.contract.persons import ANONYMOUS, as_id, partition_of
from streams.identity.body import Body
from streams.identity.links import HELD, Identity, Link, LinkRow, Status
from streams.identity.records import (
    OPERATOR,
    Absorb,
    Claim,
    Envelope,
    Forward,
    Item,
    Probe,
    Refuse,
    Release,
    Remind,
    Split,
    TakeBack,
    Undo,
    envelopes,
    in_groups,
)
from streams.settings import IdentitySettings

__all__ = ["REASONS", "Outgoing", "Owner"]

REASONS = ("blocked", "identified", "split", "taken", "too_many_ids", "too_many_merges", "too_many_new_ids")
_WEEK_US = 7 * 86_400_000_000
#: As numbers, which is how links hold them: looking an enum's member up takes longer than all else about a link.
_CLAIMED, _MERGED, _REFUSED, _LATER, _SPLIT = map(int, Status)
#: So many ids are kept as they are used; what is known of the others is bytes.
_MOST_OPEN = 20_000

#: (partition, value) of a record to be sent.
Outgoing = tuple[int, bytes]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Identity).decode


class Owner:
    """The ids of one partition.

    Parameters
    ----------
    partition, partitions : int
        Which one, of how many.
    limits : IdentitySettings
        What one person may gather.
    body : Body
        Their profiles.
    layout : str
        Descriptor of the layout that `body` packs states under.
    """

    def __init__(self, partition: int, partitions: int, limits: IdentitySettings, body: Body, layout: str = "") -> None:
        self.partition = partition
        self._partitions = partitions
        self._limits = limits
        self._body = body
        self._layout = layout
        self._stored: dict[str, bytes] = {}
        #: source partition -> mark of the newest envelope that was applied
        self.marks: dict[int, int] = {}
        #: user -> anonymous ids whose states and events are to be dropped: they were sent before the user was erased
        self.erased: dict[str, frozenset[str]] = {}
        #: anonymous id -> whose its events are, where that is somebody else
        self._users: dict[str, str] = {}
        self._open: dict[str, Identity] = {}
        #: in the order of the log, which a set hasn't
        self._written: dict[str, None] = {}
        self._stale: set[str] = set()
        self._items: dict[int, list[Item]] = {}
        self._rows: list[LinkRow] = []
        #: anonymous id -> the claim on it that is to be answered with what is known of it
        self._accepted: dict[str, Claim] = {}
        self._kept: list[str] = []
        self._received: list[tuple[str, tuple[bytes, ...]]] = []
        self._offset = 0

    def restore(self, stored: Mapping[str, bytes], marks: Mapping[int, int]) -> None:
        """Go on from what was committed."""
        self._stored, self.marks = dict(stored), dict(marks)
        for profile_id, packed in stored.items():
            identity = _decode(packed)
            self._point(profile_id, identity)
            if identity.gone:
                self.erased[profile_id] = frozenset(identity.gone)

    @property
    def stored(self) -> dict[str, bytes]:
        """Profile id -> packed `Identity`, of those that have one."""
        for profile_id in self._stale:
            self._stored[profile_id] = _encode(self._open[profile_id])
        self._stale.clear()
        return self._stored

    def begin(self, offset: int) -> None:
        """Start on the record at `offset`."""
        self._offset = offset

    def end(self) -> tuple[list[Outgoing], list[LinkRow], list[str]]:
        """Finish the record: return what is to be sent, in order, what is to be noted, and whose row is another now."""
        sent = [
            (partition, data)
            for partition, items in self._items.items()
            for data in envelopes(self.partition, self._offset, self._layout_of(items), items)
        ]
        rows, written = self._rows, list(self._written)
        self._stale |= self._open.keys() & self._written.keys()
        if len(self._open) > _MOST_OPEN:
            self._stored = self.stored
            self._open.clear()
        self._written, self._items, self._rows = {}, {}, []
        return sent, rows, written

    def meet(self, user: str, anonymous: str, at_us: int, message: int, *, alias: bool = False) -> bool:
        """Take note that an event names both; return whether it should be asked again when the pair comes again.

        Parameters
        ----------
        user : str
            Profile id of a user of this partition.
        anonymous : str
            The anonymousId as it came, or with `alias` the previousId.
        at_us, message : int
            The event's time and message hash.
        """
        identity = self._identity(user)
        name = ANONYMOUS + anonymous
        known = identity.links.get(name)
        if known is not None and known.status != _LATER:
            return False
        if known is None and len(identity.links) >= self._limits.max_ids:
            if not identity.full:
                identity.full = True
                self._written[user] = None
                self._note(user, name, "refused", (at_us, message), reason="too_many_ids")
            return False
        reason = self._reason_against(identity, anonymous, at_us)
        if reason:
            later = reason == "too_many_new_ids"
            if known is None:
                self._link(identity, user, name, _LATER if later else _REFUSED, at_us)
                self._note(user, name, "refused", (at_us, message), reason=reason)
            return later
        self._link(identity, user, name, _CLAIMED, at_us)
        if alias:
            self._send(anonymous, Probe(user, anonymous, at_us, message))
        else:
            self._send(name, Claim(user, name, at_us, message))
        return False

    def forget(self, profile_id: str) -> None:
        """Know nothing of an id that was erased, but that what is still on its way to it must not bring it back."""
        links = self._identity(profile_id).links
        gone = tuple(name for name, link in links.items() if link.status < HELD)
        self._open.pop(profile_id)
        self._stored.pop(profile_id, None)
        self._users.pop(profile_id, None)
        self._written.pop(profile_id, None)
        self._stale.discard(profile_id)
        self.erased.pop(profile_id, None)
        if gone:
            self._identity(profile_id).gone = gone
            self.erased[profile_id] = frozenset(gone)
            self._written[profile_id] = None

    def owner_of(self, profile_id: str) -> int:
        """Return the partition whose owner decides about an id."""
        return partition_of(profile_id, self._partitions)

    def forward(self, owner: int, block: bytes) -> None:
        """Send events on to the owner of the users in the block."""
        self._items.setdefault(owner, []).append(Forward(block))

    def user_of(self, anonymous: str) -> str:
        """Return whose the next events of an anonymous id (a profile id) are; empty: its own."""
        return self._users.get(anonymous, "")

    @property
    def away(self) -> list[str]:
        """The ids whose next events are somebody else's."""
        return list(self._users)

    def receive(self, envelope: Envelope) -> bool:
        """Do what another owner (or an operator) says; False when it was said before."""
        if envelope.source != OPERATOR:
            if envelope.mark <= self.marks.get(envelope.source, -1):
                return False
            self.marks[envelope.source] = envelope.mark
        for item in envelope.items:
            self._handlers[type(item)](self, item, envelope)
        self._give_away()
        self._let_be()
        if self._received:
            people, states = zip(*((user, state) for user, group in self._received for state in group), strict=True)
            self._received = []
            self._body.receive(people, states, envelope.layout)
        return True

    # What each kind of record does.

    def _claim(self, claim: Claim, _envelope: Envelope) -> None:
        name = claim.anonymous
        if name in self._accepted:
            self._give_away()
        if name not in self._open and name not in self._stored:  # nobody asked for it before
            self._accepted[name] = claim
            return
        identity = self._identity(name)
        if identity.into == claim.user:
            if not claim.again and identity.given:  # the user was forgotten since: nothing that it had may come back
                identity.given = ()
                self._written[name] = None
            place = claim.user, name, claim.at_us, claim.message
            self._answer(claim, Absorb(*place, identity.given if claim.again else (), False, claim.again))
        elif identity.into:
            if not identity.shared:
                identity.shared = True
                self._point(name, identity)
                self._written[name] = None
                self._kept.append(name)
            self._answer(claim, Refuse(claim.user, name, claim.at_us, claim.message, "taken"))
        elif claim.user in identity.barred:
            self._answer(claim, Refuse(claim.user, name, claim.at_us, claim.message, "split"))
        else:
            self._accepted[name] = claim

    def _give_away(self) -> None:
        """Answer all claims that were accepted, with the states that go along."""
        accepted, self._accepted = self._accepted, {}
        given = self._body.give(list(accepted)) if accepted else []
        for (name, claim), states in zip(accepted.items(), given, strict=True):
            groups = in_groups(states)
            kept = groups[0] if len(groups) == 1 else ()
            if name in self._open or name in self._stored:
                identity = self._identity(name)
                identity.into, identity.offset, identity.given = claim.user, self._offset, kept
            else:  # most are never heard of again: they are but bytes
                self._stored[name] = _encode(Identity(into=claim.user, offset=self._offset, given=kept))
            self._users[name] = claim.user
            self._written[name] = None
            more = len(groups)
            for group in groups:
                more -= 1
                self._answer(claim, Absorb(claim.user, name, claim.at_us, claim.message, group, more > 0))

    def _let_be(self) -> None:
        """Let ids that two users were seen with, or that were split off, be their own again."""
        if self._kept:
            self._body.keep(self._kept)
            self._kept = []

    def _absorb(self, absorb: Absorb, envelope: Envelope) -> None:
        """Take what was given: whatever the link says, nobody else has it any more."""
        user, name = absorb.user, absorb.anonymous
        identity = self._identity(user)
        known = identity.links.get(name)
        if absorb.again and (known is None or known.status != _CLAIMED):
            return
        if name in identity.gone:
            if known is None:
                return
            identity.gone = tuple(one for one in identity.gone if one != name)  # they met again: this answers that
            self.erased[user] = frozenset(identity.gone)
        if absorb.states:
            self._received.append((user, absorb.states))
        if absorb.more or (known is not None and known.status == _MERGED):
            return
        self._link(identity, user, name, _MERGED, absorb.at_us)
        self._note(user, name, "merged", (absorb.at_us, absorb.message), id_offset=envelope.offset)

    def _refuse(self, refuse: Refuse, envelope: Envelope) -> None:
        identity = self._identity(refuse.user)
        known = identity.links.get(refuse.anonymous)
        if known is not None and known.status != _CLAIMED:
            return
        self._link(identity, refuse.user, refuse.anonymous, _REFUSED, refuse.at_us)
        cause = refuse.at_us, refuse.message
        self._note(refuse.user, refuse.anonymous, "refused", cause, reason=refuse.reason, id_offset=envelope.offset)

    def _probe(self, probe: Probe, _envelope: Envelope) -> None:
        name = ANONYMOUS + probe.previous
        if self._body.exists(probe.previous):
            self._answer(probe, Refuse(probe.user, name, probe.at_us, probe.message, "identified"))
        else:
            self._send(name, Claim(probe.user, name, probe.at_us, probe.message))

    def _forward(self, forward: Forward, _envelope: Envelope) -> None:
        self._body.forwarded(forward.block)

    def _split(self, split: Split | Undo, _envelope: Envelope) -> None:
        identity = self._identity(split.anonymous)
        user = identity.into
        if not user:
            return
        if isinstance(split, Undo):
            self._send(user, TakeBack(user, split.anonymous, split.at_us, identity.offset, identity.given))
            if identity.given:
                self._body.receive([split.anonymous] * len(identity.given), identity.given, self._layout)
        else:
            self._send(user, Release(user, split.anonymous, split.at_us))
        self._kept.append(split.anonymous)
        identity.into, identity.shared, identity.given = "", False, ()
        identity.barred += (user,)
        self._point(split.anonymous, identity)
        self._written[split.anonymous] = None

    def _release(self, release: Release | TakeBack, envelope: Envelope) -> None:
        self._link(self._identity(release.user), release.user, release.anonymous, _SPLIT, release.at_us)
        cause = release.at_us, 0
        if isinstance(release, Release):
            self._note(release.user, release.anonymous, "split", cause, id_offset=envelope.offset)
            return
        self._note(release.user, release.anonymous, "undone", cause, id_offset=release.offset)
        if release.states:
            self._body.take_out([release.user] * len(release.states), release.states, envelope.layout)

    def _remind(self, _remind: Remind, _envelope: Envelope) -> None:
        """Ask again for every id that was asked for and not answered; in an order that is the log's alone."""
        for user, packed in sorted(self.stored.items()):
            for name, link in _decode(packed).links.items():
                if link.status == _CLAIMED:
                    self._send(name, Claim(user, name, link.at_us, 0, again=True))

    _handlers: ClassVar[dict[type, Callable[..., None]]] = {
        Claim: _claim, Absorb: _absorb, Refuse: _refuse, Probe: _probe, Forward: _forward, Split: _split,
        Undo: _split, Release: _release, TakeBack: _release, Remind: _remind,
    }  # fmt: skip

    def _reason_against(self, identity: Identity, anonymous: str, at_us: int) -> str:
        if not as_id(anonymous):
            return "blocked"
        if not identity.links:
            return ""
        held = identity.held()
        if len(held) >= self._limits.max_merges:
            return "too_many_merges"
        if len([at for at in held if at_us - _WEEK_US < at <= at_us]) >= self._limits.max_new_ids_a_week:
            return "too_many_new_ids"
        return ""

    def _identity(self, profile_id: str) -> Identity:
        identity = self._open.get(profile_id)
        if identity is None:
            stored = self._stored.get(profile_id)
            identity = self._open[profile_id] = _decode(stored) if stored is not None else Identity()
        return identity

    def _point(self, name: str, identity: Identity) -> None:
        """Remember whose the events of an id are."""
        if identity.into and not identity.shared:
            self._users[name] = identity.into
        else:
            self._users.pop(name, None)

    def _link(self, identity: Identity, user: str, name: str, status: int, at_us: int) -> None:
        identity.links[name] = Link(status, at_us)
        self._written[user] = None

    def _answer(self, item: Claim | Probe, answer: Item) -> None:
        self._send(item.user, answer)

    def _send(self, to: str, item: Item) -> None:
        self._items.setdefault(self.owner_of(to), []).append(item)

    def _note(
        self, user: str, name: str, what: str, cause: tuple[int, int], *, reason: str = "", id_offset: int = -1
    ) -> None:
        at_us, message = cause
        place = self._offset, len(self._rows)
        self._rows.append(LinkRow(user, name, what, reason, at_us, message, id_offset, *place))

    def _layout_of(self, items: Iterable[Item]) -> str:
        return self._layout if any(isinstance(item, Absorb | TakeBack) for item in items) else ""
