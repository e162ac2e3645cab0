"""The state of one partition: a function of its log, block by block (DESIGN 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.contract import Block
from streams.kernel import kernel
from streams.profiles._kernel import FIRST_ROWS, Int32s, Int64s, UInt64s, grown, room_for
from streams.profiles.activity import Arrivals
from streams.profiles.cells import update_cell
from streams.profiles.columns import DenseRows, Entries, EntryArrays, Gathered, entry_at
from streams.profiles.dedup import DedupWindow
from streams.profiles.features import Feature
from streams.profiles.layout import EVENTS, FIRST, LAST, Cell, Layout
from streams.profiles.merging import merge_states
from streams.profiles.packing import pack, unpack
from streams.profiles.position import Position
from streams.profiles.prepare import Prepared, TraitReader
from streams.profiles.reading import Reader
from streams.profiles.strings import StringTable
from streams.profiles.touches import Touches

__all__ = ["Applied", "Finalized", "PartitionState"]

Floats = npt.NDArray[np.float64]

#: Older than a person's newest event by more than this is late (DESIGN 3).
_LATE_US = 86_400_000_000
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Applied:
    """What a block did.

    Attributes
    ----------
    rows : ndarray of int32
        The people it touched, each once.
    events, event_rows : ndarray
        The events that count, as indices into the block, and whose each is.
    away, away_rows : ndarray
        The events of people who are elsewhere: new, but not counted here.
    arrivals : Arrivals
        The events with which somebody became active in an interval.
    """

    rows: Int32s
    events: Int64s
    event_rows: Int32s
    away: Int64s
    away_rows: Int32s
    arrivals: Arrivals
    duplicates: int
    late: int


@dataclass(frozen=True, slots=True)
class Finalized:
    """What is stored and shown of n people; times in microseconds UTC.

    `states` are theirs as `PartitionState.pack` writes them.
    """

    states: pa.Array
    event_count: UInt64s
    first_seen_us: Int64s
    last_seen_us: Int64s
    traits: pa.Array
    features: pa.Array
    touched: pa.Array


class PartitionState:
    """People of one partition, by row; a row never changes its person.

    Parameters
    ----------
    layout : Layout
        Which features are kept.
    dedup_window_us, dedup_max_ids : int
        How far back, and how many message ids at most, repeats are recognised.
    interval_us : int
        Of event time, in which somebody becomes active once.
    """

    def __init__(
        self, layout: Layout, *, dedup_window_us: int, dedup_max_ids: int, interval_us: int = _HOUR_US
    ) -> None:
        self.layout = layout
        self._interval_us = interval_us
        self._people = StringTable()
        self._names = StringTable()
        self._names.intern_one("(other)")
        self._dense = DenseRows(np.zeros(layout.row_words, np.int64))
        self._entries = Entries(layout.entry_width, layout.bounds)
        self._touches = Touches(layout.touches, layout.touch_rate)
        self._dedup = DedupWindow(dedup_window_us, dedup_max_ids)
        self._traits = TraitReader(self._names)
        self._reader = Reader(layout, self._names)
        self._away = np.zeros(FIRST_ROWS, np.bool_)
        self._room = FIRST_ROWS
        self._some_away = False
        self._suppressed = np.empty(0, np.uint64)
        self.next_offset = 0
        self.accepted = self.duplicates = self.late = self.clamped = self.suppressed = 0

    @property
    def people(self) -> int:
        """How many people there are; rows are 0..people-1."""
        return len(self._people)

    @property
    def forgotten_ids(self) -> int:
        """Message ids inside the window that left because memory is bounded."""
        return self._dedup.forgotten

    def learn_ids_only(self, hashes: UInt64s, *, offset: int, record_time_us: int) -> None:
        """Refill the dedup window with the message hashes of a block whose events the state already holds."""
        self._dedup.add(hashes, offset, record_time_us)

    def pass_over(self, offset: int) -> None:
        """Note that the record at `offset` is dealt with, which is no block of events."""
        self.next_offset = offset + 1

    def apply(self, block: Block, *, offset: int, record_time_us: int) -> Applied:
        """Let one block in: one Kafka message, since repeats are recognised by their place in the log."""
        duplicate = self._dedup.add(block.message_hash, offset, record_time_us)
        self.next_offset = offset + 1
        kept = np.flatnonzero(~duplicate)
        self.duplicates += len(block) - len(kept)
        return self._take_in(block, kept, len(block) - len(kept))

    def apply_forwarded(self, block: Block) -> Applied:
        """Let in a block that another owner sent on, or several joined: their repeats were recognised there."""
        return self._take_in(block, np.arange(len(block)), 0)

    def _take_in(self, block: Block, kept: Int64s, repeats: int) -> Applied:
        used = np.zeros(len(block.person.values), np.bool_)
        used[block.person.codes[kept]] = True
        before = self.people
        rows = self._people.intern(block.person.values, used)[block.person.codes[kept]]
        self._resize()
        self._hide_suppressed(before)
        away, away_rows = kept[:0], rows[:0]
        if self._some_away:
            elsewhere = self._away[rows]
            away, away_rows = kept[elsewhere], rows[elsewhere]
            kept, rows = kept[~elsewhere], rows[~elsewhere]
        # Person by person, each one's events in the order of the log: the numbers of a person are fetched from memory
        # once a block and not once an event.
        by_person = np.argsort(rows, kind="stable")
        kept, rows = kept[by_person], rows[by_person]
        events = Prepared(block, kept, rows, self._names, self._traits)
        came = np.zeros(len(rows), np.uint8)
        late = int(_count_events(rows, events.at_us, self._dense.ints, _LATE_US, self._interval_us, came))
        for feature, cells in zip(self.layout.features, self.layout.cells, strict=True):
            self._update(feature, cells, events)
        touched, content = events.contents
        self._touches.update(rows[touched], content, events.at_us[touched])
        self.accepted += len(kept)
        self.late += late
        self.clamped += int(block.clamped[kept].sum())
        came_at = np.flatnonzero(came)
        arrivals = Arrivals(rows[came_at], events.at_us[came_at], came[came_at] == _NEW)
        people = rows[np.flatnonzero(np.diff(rows, prepend=np.int32(-1)))]
        return Applied(people, kept, rows, away, away_rows, arrivals, repeats, late)

    def ids(self, rows: Int32s) -> pa.StringArray:
        """Return the profile ids of `rows`."""
        return self._people.take(rows)

    def row_of(self, profile_id: str) -> int:
        """Return the row of a person who is here.

        Raises
        ------
        KeyError
            Nobody has that id.
        """
        row = self._people.find_one(profile_id)
        if row < 0:
            raise KeyError(profile_id)
        return row

    def row_for(self, profile_id: str) -> int:
        """Return the row of that id, a new one if nobody has it."""
        row = self._people.intern_one(profile_id)
        self._resize()
        return row

    def rows_for(self, profile_ids: Sequence[str]) -> Int32s:
        """Return a row for each id; see `row_for`."""
        rows = self._people.intern(pa.array(profile_ids, pa.utf8()))
        self._resize()
        return rows

    def send_away(self, rows: Int32s, *, away: bool = True) -> None:
        """From now on count no events of these people (or again do): they are somebody else's."""
        self._away[rows] = away
        self._some_away |= away and len(rows) > 0

    def hashes(self, rows: Int32s) -> UInt64s:
        """Return a hash of each id that is the same in every process."""
        return self._people.fixed[rows]

    def suppress(self, hashes: Sequence[int]) -> None:
        """From now on count no events of ids with these hashes, whether they are here or yet to come."""
        self._suppressed = np.union1d(self._suppressed, np.array(hashes, np.uint64))
        self._hide_suppressed(0)

    def _hide_suppressed(self, first: int) -> None:
        if len(self._suppressed):
            rows = np.arange(first, self.people, dtype=np.int32)
            self.send_away(rows[np.isin(self.hashes(rows), self._suppressed)])

    def position(self) -> Position:
        """Return where the partition stands."""
        start, time_us = self._dedup.start(self.next_offset)
        return Position(
            next_offset=self.next_offset,
            dedup_start=start,
            dedup_time_us=time_us,
            log_time_us=self._dedup.log_time_us,
            accepted=self.accepted,
            duplicates=self.duplicates,
            late=self.late,
            clamped=self.clamped,
            suppressed=self.suppressed,
        )

    def pack(self, rows: Int32s) -> pa.Array:
        """Return the state of `rows` as binary."""
        return self._pack(rows, self._entries.gather(rows))

    def restore(
        self, ids: pa.Array, states: pa.Array, layouts: npt.NDArray[np.uint64], descriptors: Mapping[int, str],
        position: Position,
    ) -> None:  # fmt: skip
        """Start from what was committed: people become rows 0..n-1 in the given order."""
        self._people.intern(ids)
        self._resize()
        for layout_id in np.unique(layouts).tolist():
            rows = np.flatnonzero(layouts == layout_id).astype(np.int32)
            unpack(
                states.take(pa.array(rows)), rows, self.layout, descriptors[layout_id],
                self._dense, self._entries, self._touches, self._names,
            )  # fmt: skip
        # Reading starts at dedup_start: from there the log's time runs on as it did before.
        self._dedup.log_time_us = position.dedup_time_us
        self.next_offset = position.next_offset
        self.accepted, self.duplicates = position.accepted, position.duplicates
        self.late, self.clamped = position.late, position.clamped
        self.suppressed = position.suppressed

    def merge(self, rows: Int32s, states: pa.Array, descriptor: str, *, out: bool = False) -> None:
        """Merge packed states into people, one after the other; `out` takes them out again. See `merge_states`."""
        merge_states(
            rows, states, descriptor, self.layout, self._dense, self._entries, self._touches, self._names, out=out
        )

    def clear(self, row: int) -> None:
        """Forget everything about a person; the row stays theirs, should they come again."""
        self.clear_all(np.array([row], np.int32))

    def clear_all(self, rows: Int32s) -> None:
        """Forget everything about some people; see `clear`."""
        self._dense.clear(rows)
        self._entries.clear(rows)
        self._touches.clear(rows)

    def present(self, rows: Int32s) -> npt.NDArray[np.bool_]:
        """Return which of `rows` are people: whoever was cleared and hasn't come since is none."""
        here: npt.NDArray[np.bool_] = self._dense.ints[rows, EVENTS] > 0
        return here

    def everybody(self) -> Int32s:
        """Return the rows of all who are people now."""
        return np.flatnonzero(self._dense.ints[: self.people, EVENTS] > 0).astype(np.int32)

    def finalize(self, rows: Int32s) -> Finalized:
        """Return what is stored and shown of `rows`."""
        dense, entries = self._dense.taken(rows), self._entries.gather(rows)
        offsets, touched = self._touches.listed(rows)
        return Finalized(
            states=self._pack(rows, entries),
            event_count=dense.ints[:, EVENTS].astype(np.uint64),
            first_seen_us=dense.ints[:, FIRST].copy(),
            last_seen_us=dense.ints[:, LAST].copy(),
            traits=self._reader.traits(entries),
            features=self._reader.features(dense, entries),
            touched=pa.ListArray.from_arrays(pa.array(offsets), pa.array(touched)),
        )

    def behaviour(self, rows: Int32s) -> tuple[Floats, Floats]:
        """Return (n, width) and (n, 24): see `Reader.behaviour` and `Reader.categories`."""
        entries = self._entries.gather(rows)
        return self._reader.behaviour(self._dense.taken(rows), entries), self._reader.categories(entries)

    def behaviour_weights(self, only: Sequence[str] = ()) -> Floats:
        """Return the weight of each column of `behaviour`: see `Reader.behaviour_weights`."""
        return self._reader.behaviour_weights(only)

    def touches(self, rows: Int32s) -> tuple[UInt64s, Floats]:
        """Return (content ids (n, m), weights (n, m)); unused places weigh 0."""
        return self._touches.current(rows)

    def rows_touching(self, content_ids: UInt64s) -> Int32s:
        """Return the people who touched any of these."""
        return self._touches.rows_touching(content_ids, self.people)

    def _pack(self, rows: Int32s, entries: Gathered) -> pa.Array:
        return pack(rows, self.layout, self._dense, entries, self._touches, self._names)

    def _resize(self) -> None:
        if self.people > self._room:
            self._room = room_for(self.people, self._room)
            self._away = grown(self._away, self._room)
            for columns in (self._dense, self._entries, self._touches):
                columns.resize(self._room)

    def _update(self, feature: Feature, cells: Sequence[Cell], events: Prepared) -> None:
        at, keys, values = events.select(feature)
        if not len(at):
            return
        if feature.sparse:
            self._entries.reserve(len(at))
        rows, at_us, table = events.rows[at], events.at_us[at], self._entries.arrays()
        for cell in cells:
            _update_feature(
                cell.kind, cell.family, cell.start, cell.width, rows, keys, at_us, values,
                self._dense.ints, self._dense.floats, table, cell.parameters,
            )  # fmt: skip


#: What an event is to its person: the first of all, or the first in an interval after those they were seen in.
_NEW, _AGAIN = 2, 1


@kernel
def _count_events(
    rows: Int32s, at_us: Int64s, dense: Int64s, late_us: int, interval_us: int, came: npt.NDArray[np.uint8]
) -> int:
    late = 0
    for i in range(len(rows)):
        row, at = rows[i], at_us[i]
        if dense[row, EVENTS] == 0:
            dense[row, FIRST] = at
            came[i] = _NEW
        elif at < dense[row, LAST] - late_us:
            late += 1
        elif at // interval_us > dense[row, LAST] // interval_us:
            came[i] = _AGAIN
        dense[row, EVENTS] += 1
        dense[row, FIRST] = min(dense[row, FIRST], at)
        dense[row, LAST] = max(dense[row, LAST], at)
    return late


@kernel
def _update_feature(
    kind: int, family: int, start: int, width: int, rows: Int32s, keys: Int32s, at_us: Int64s, values: Floats,
    ints: Int64s, floats: Floats, table: EntryArrays, parameters: Floats,
) -> None:  # fmt: skip
    for i in range(len(rows)):
        if family < 0:
            update_cell(kind, ints, floats, rows[i], start + keys[i] * width, at_us[i], values[i], parameters)
        else:
            entry = entry_at(rows[i], family, keys[i], table)
            update_cell(kind, table.ints, table.floats, entry, start, at_us[i], values[i], parameters)
