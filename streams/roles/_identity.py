"""The ids of one partition beside its profiles.

New pairs are found in columns, decided about by their owner, and what it decides is done to the profiles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.contract import Block, Names, decode_block, join_blocks
from streams.contract.columns import Columns
from streams.contract.emails import BETWEEN
from streams.contract.event import TYPES
from streams.identity import LinkRow, Outgoing, Owner, decode_envelope
from streams.profiles import Applied, Layout, PartitionState
from streams.profiles._kernel import grown
from streams.profiles.labels import PartitionLabels
from streams.profiles.packing import cut_state
from streams.profiles.pairs import Pairs
from streams.settings import Settings

__all__ = ["Identities"]

Rows = npt.NDArray[np.int32]

#: A state past this is given away in pieces; a name has at most 64 KB, so a piece always fits into a message.
_PIECE_BYTES = 200_000
_ALIAS = TYPES["alias"]


class Identities:
    """An owner, and the profiles it decides about (`streams.identity.Body`).

    Parameters
    ----------
    number : int
        The partition.
    layout : Layout
        How states are packed.
    settings : Settings
        Number of partitions, limits.
    state, labels : PartitionState, PartitionLabels
        The people of the partition.
    note : callable
        Told what a forwarded block did.
    """

    def __init__(
        self, number: int, layout: Layout, settings: Settings, state: PartitionState, labels: PartitionLabels, *,
        note: Callable[[Block, Applied], None],
    ) -> None:  # fmt: skip
        self.owner = Owner(number, settings.kafka.partitions, settings.identity, self, layout.descriptor)
        self._state = state
        self._labels = labels
        self._note = note
        self._pairs = Pairs()
        self._links: list[LinkRow] = []
        self._merged_rows: list[Rows] = []
        #: events that other owners sent on, not applied yet
        self._forwarded: list[Block] = []
        #: by row: of whom something may be stored
        self._linked = np.zeros(1024, np.bool_)
        #: rows of ids that this record was about: its owner speaks of them again
        self._known: dict[str, int] = {}

    def restore(self, stored: Mapping[str, bytes], marks: Mapping[int, int]) -> None:
        """Go on from what was committed."""
        self.owner.restore(stored, marks)
        if stored:
            self._remember(list(stored))
        if away := self.owner.away:
            self._state.send_away(self._state.rows_for(away))

    def meet(self, block: Block, applied: Applied) -> None:
        """Tell the owner of pairs that are new among the events of a block, and send on what is somebody else's."""
        if len(applied.away):
            self._forward(block, applied)
        if not len(block.anonymous.values):
            return
        codes = block.anonymous.codes[applied.events]
        named = np.flatnonzero(codes >= 0)
        rows = applied.event_rows[named]
        at, slots = self._pairs.unseen(rows, block.anonymous.values, codes[named])
        if not len(at):
            return
        events = applied.events[named][at]
        users = self._state.ids(rows[at]).to_pylist()
        self._known.update(zip(users, rows[at].tolist(), strict=True))
        names = block.anonymous.values.take(pa.array(codes[named][at])).to_pylist()
        facts = (
            block.at_us[events].tolist(),
            block.message_hash[events].tolist(),
            (block.type[events] == _ALIAS).tolist(),
        )
        again = [
            True in [self.owner.meet(user, one, at_us, message, alias=alias) for one in name.split(BETWEEN)]
            for user, name, at_us, message, alias in zip(users, names, *facts, strict=True)
        ]
        if any(again):
            self._pairs.drop(slots[again])

    def hear(self, value: bytes) -> None:
        """Do what another owner or an operator says."""
        self.owner.receive(decode_envelope(value))

    def forget(self, profile_id: str) -> None:
        """Know nothing of an id any more; should it come again, it is one that was never seen."""
        self.owner.forget(profile_id)
        self._pairs = Pairs()
        self.keep([profile_id])

    def end(self) -> tuple[list[Outgoing], Rows, Rows]:
        """Finish a record: return what is to be sent, whose state changed, and whose row did for another reason."""
        sent, links, written = self.owner.end()
        self._links += links
        merged, self._merged_rows = self._merged_rows, []
        linked = self._remember(written) if written else np.empty(0, np.int32)
        self._known = {}
        return sent, np.concatenate(merged) if merged else np.empty(0, np.int32), linked

    def take_links(self) -> list[LinkRow]:
        """Return what is to be noted with the next commit."""
        links, self._links = self._links, []
        return links

    @property
    def links(self) -> int:
        """How many lines wait for the next commit."""
        return len(self._links)

    def column(self, rows: Rows, ids: pa.Array) -> pa.Array:
        """Return what is stored with each of some people, given their rows and ids; most have nothing."""
        has = np.flatnonzero(self._has_links(rows))
        stored = self.owner.stored
        packed = [stored.get(profile_id, b"") for profile_id in ids.take(pa.array(has)).to_pylist()]
        sizes = np.zeros(len(rows) + 1, np.int32)
        sizes[has + 1] = list(map(len, packed))
        offsets = np.cumsum(sizes, dtype=np.int32)
        return pa.Array.from_buffers(
            pa.binary(), len(rows), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(packed))]
        )

    def _has_links(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """Return of whom something may be stored."""
        self._linked = grown(self._linked, self._state.people)
        return self._linked[rows]

    def _remember(self, profile_ids: Sequence[str]) -> Rows:
        rows = np.array([self._known.get(one, -1) for one in profile_ids], np.int32)
        others = np.flatnonzero(rows < 0)
        if len(others):
            rows[others] = self._state.rows_for([profile_ids[at] for at in others.tolist()])
        self._linked = grown(self._linked, self._state.people)
        self._linked[rows] = True
        return rows

    def _forward(self, block: Block, applied: Applied) -> None:
        """Cut the events of merged people out of a block, one piece an owner, each under its user's name."""
        distinct, inverse = np.unique(applied.away_rows, return_inverse=True)
        users = [self.owner.user_of(name) for name in self._state.ids(distinct.astype(np.int32)).to_pylist()]
        if not all(users):  # suppressed: they belong to nobody
            somebodys = np.array([bool(user) for user in users])[inverse]
            self._state.suppressed += int((~somebodys).sum())
            if not somebodys.any():
                return
            block_away, away_rows = applied.away[somebodys], applied.away_rows[somebodys]
            self._forward(block, replace(applied, away=block_away, away_rows=away_rows))
            return
        owners = np.array([self.owner.owner_of(user) for user in users])[inverse]
        codes = np.full(len(block), -1, np.int32)
        codes[applied.away] = inverse
        columns = Columns.renamed(block, Names(codes, pa.array(users, pa.utf8())), block.person)
        for owner, piece in columns.blocks_by(owners, applied.away, block.read_at_us):
            self.owner.forward(owner, piece.to_pybytes())

    # streams.identity.Body

    def exists(self, profile_id: str) -> bool:
        """Return whether there is such a person."""
        self.settle()
        return bool(self._state.present(self._state.rows_for([profile_id]))[0])

    def give(self, profile_ids: Sequence[str]) -> list[list[bytes]]:
        """Return states, and leave nothing: from now on these ids are somebody else's."""
        rows = self._rows_for(profile_ids)
        there = self._state.present(rows)
        packed = iter(self._state.pack(rows[there]).to_pylist())
        self._state.clear_all(rows[there])
        self._labels.resize(self._state.people)
        self._labels.leave(rows)
        self._state.send_away(rows)
        layout = self._state.layout
        return [cut_state(next(packed), layout, _PIECE_BYTES) if here else [] for here in there.tolist()]

    def keep(self, profile_ids: Sequence[str]) -> None:
        """Count events of these ids here again."""
        self._state.send_away(self._state.rows_for(profile_ids), away=False)

    def receive(self, profile_ids: Sequence[str], states: Sequence[bytes], layout: str) -> None:
        """Merge states into people."""
        self._merge(profile_ids, states, layout, out=False)

    def take_out(self, profile_ids: Sequence[str], states: Sequence[bytes], layout: str) -> None:
        """Take merged states out of people again."""
        self._merge(profile_ids, states, layout, out=True)

    def forwarded(self, block: bytes) -> None:
        """Take in events that another owner sent on; `settle` applies them."""
        decoded = decode_block(block)
        erased = self.owner.erased
        if erased and any(person in erased for person in decoded.person.values.to_pylist()):
            people, names = decoded.person.values.to_pylist(), [*decoded.anonymous.values.to_pylist(), ""]
            pairs = zip(decoded.person.codes.tolist(), decoded.anonymous.codes.tolist(), strict=True)
            kept = np.flatnonzero([names[a] not in erased.get(people[p], ()) for p, a in pairs])
            self._state.suppressed += len(decoded) - len(kept)
            if not len(kept):
                return
            columns = Columns.renamed(decoded, decoded.person, decoded.anonymous)
            self._forwarded += map(decode_block, columns.blocks(kept, decoded.read_at_us))
            return
        self._forwarded.append(decoded)

    def settle(self) -> None:
        """Apply what was sent on.

        Blocks of a few events cost more by the block than by the event. So they wait until anything else is done to
        users, and are applied as one: every number of a person goes through the same steps as it would one by one.
        What is done to anonymous ids doesn't touch them.
        """
        if self._forwarded:
            block, self._forwarded = join_blocks(self._forwarded), []
            applied = self._state.apply_forwarded(block)
            self._state.suppressed += len(applied.away)  # users are never anybody else's: this one is nobody's
            self._note(block, applied)

    def _rows_for(self, profile_ids: Sequence[str]) -> Rows:
        rows = self._state.rows_for(profile_ids)
        self._known.update(zip(profile_ids, rows.tolist(), strict=True))
        return rows

    def _merge(self, profile_ids: Sequence[str], states: Sequence[bytes], layout: str, *, out: bool) -> None:
        self.settle()
        rows = self._rows_for(profile_ids)
        self._state.merge(rows, pa.array(states, pa.binary()), layout, out=out)
        self._merged_rows.append(rows)
