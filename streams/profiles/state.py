"""The state of one partition: a function of its log, block by block (DESIGN 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from streams.contract import Block
from streams.kernel import kernel
from streams.profiles._kernel import Int32s, Int64s, UInt64s
from streams.profiles.cells import merge_cell, update_cell
from streams.profiles.columns import DenseRows, Entries, EntryArrays, entry_at, family_and_key
from streams.profiles.dedup import DedupWindow
from streams.profiles.features import Feature
from streams.profiles.layout import EVENTS, FIRST, LAST, Layout
from streams.profiles.packing import pack, unpack
from streams.profiles.position import Position
from streams.profiles.prepare import Prepared, TraitReader
from streams.profiles.reading import Reader
from streams.profiles.strings import StringTable
from streams.profiles.touches import Touches, touch

__all__ = ["Applied", "Finalized", "PartitionState"]

Floats = npt.NDArray[np.float64]

#: Older than a person's newest event by more than this is late (DESIGN 3).
_LATE_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Applied:
    """What a block did: the people it touched, and how many of its events were repeats or late."""

    rows: Int32s
    duplicates: int
    late: int


@dataclass(frozen=True, slots=True)
class Finalized:
    """What is shown of n people; times in microseconds UTC."""

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
    """

    def __init__(self, layout: Layout, *, dedup_window_us: int, dedup_max_ids: int) -> None:
        self.layout = layout
        self._people = StringTable()
        self._names = StringTable()
        self._names.intern_one("(other)")
        self._dense = DenseRows(np.zeros(layout.row_words, np.int64))
        self._entries = Entries(layout.entry_width, layout.bounds)
        self._touches = Touches(layout.touches, layout.touch_rate)
        self._dedup = DedupWindow(dedup_window_us, dedup_max_ids)
        self._traits = TraitReader(self._names)
        self._reader = Reader(layout, self._dense, self._entries, self._names)
        self._parameters = [np.array(feature.parameters or (0.0,)) for feature in layout.features]
        self.next_offset = 0
        self.accepted = self.duplicates = self.late = self.clamped = 0

    @property
    def people(self) -> int:
        """How many people there are; rows are 0..people-1."""
        return len(self._people)

    @property
    def forgotten_ids(self) -> int:
        """Message ids inside the window that left because memory is bounded."""
        return self._dedup.forgotten

    def learn_ids_only(self, block: Block, *, offset: int, record_time_us: int) -> None:
        """Refill the dedup window with a block whose events the state already holds."""
        self._dedup.add(block.message_hash, offset, record_time_us)

    def apply(self, block: Block, *, offset: int, record_time_us: int) -> Applied:
        """Let one block in: one Kafka message, never several joined (that would change float bits)."""
        duplicate = self._dedup.add(block.message_hash, offset, record_time_us)
        self.next_offset = offset + 1
        kept = np.flatnonzero(~duplicate)
        used = np.zeros(len(block.person.values), np.bool_)
        used[block.person.codes[kept]] = True
        rows = self._people.intern(block.person.values, used)[block.person.codes[kept]]
        self._resize()
        # Person by person, each one's events in the order of the log: the numbers of a person are fetched from memory
        # once a block and not once an event.
        by_person = np.argsort(rows, kind="stable")
        kept, rows = kept[by_person], rows[by_person]
        events = Prepared(block, kept, rows, self._names, self._traits)
        late = int(_count_events(rows, events.at_us, self._dense.ints, _LATE_US))
        for index, feature in enumerate(self.layout.features):
            self._update(index, feature, events)
        touched, content = events.contents
        self._touches.update(rows[touched], content, events.at_us[touched])
        repeats = len(block) - len(kept)
        self.accepted += len(kept)
        self.duplicates += repeats
        self.late += late
        self.clamped += int(block.clamped[kept].sum())
        return Applied(np.unique(rows), repeats, late)

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
        )

    def pack(self, rows: Int32s) -> pa.Array:
        """Return the state of `rows` as binary."""
        return pack(rows, self.layout, self._dense, self._entries, self._touches, self._names)

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

    def merge(self, other: PartitionState, profile_id: str, into: str) -> None:
        """Merge the state of `profile_id` in `other` into the person `into` here: the algebra of one person."""
        source = other.row_of(profile_id)
        row = self._people.intern_one(into)
        self._resize()
        theirs, ours = other._dense.ints[source], self._dense.ints[row]
        first = min(theirs[FIRST], ours[FIRST]) if ours[EVENTS] else theirs[FIRST]
        ours[EVENTS] += theirs[EVENTS]
        ours[FIRST], ours[LAST] = first, max(ours[LAST], theirs[LAST])
        table = other._entries.arrays()
        found = _walk(source, table)
        renamed = self._names.intern(other._names.take(np.arange(len(other._names), dtype=np.int32)))
        self._entries.reserve(len(found))
        for index, feature in enumerate(self.layout.features):
            family, start = self.layout.place(feature)
            texts = feature.kind == "traits"
            for kind, offset in self.layout.cell_offsets(feature):
                _merge_feature(
                    kind, family, start + offset, feature.width, feature.slots, texts, row, source,
                    self._dense.ints, self._dense.floats, self._entries.arrays(),
                    other._dense.ints, other._dense.floats, table, found, renamed, self._parameters[index],
                )  # fmt: skip
        _merge_touches(row, source, self._touches.rate, self._touches.arrays(), other._touches.arrays())

    def clear(self, row: int) -> None:
        """Forget everything about a person; the row stays theirs, should they come again."""
        self._dense.clear(row)
        self._entries.clear(row)
        self._touches.clear(row)

    def present(self, rows: Int32s) -> npt.NDArray[np.bool_]:
        """Return which of `rows` are people: whoever was cleared and hasn't come since is none."""
        here: npt.NDArray[np.bool_] = self._dense.ints[rows, EVENTS] > 0
        return here

    def finalize(self, rows: Int32s) -> Finalized:
        """Return what is shown of `rows`."""
        ids, weights = self._touches.current(rows)
        held = weights > 0
        offsets = np.zeros(len(rows) + 1, np.int32)
        np.cumsum(held.sum(axis=1), out=offsets[1:])
        return Finalized(
            event_count=self._dense.ints[rows, EVENTS].astype(np.uint64),
            first_seen_us=self._dense.ints[rows, FIRST],
            last_seen_us=self._dense.ints[rows, LAST],
            traits=self._reader.traits(rows),
            features=self._reader.features(rows),
            touched=pa.ListArray.from_arrays(pa.array(offsets), pa.array(ids[held])),
        )

    def behaviour(self, rows: Int32s) -> Floats:
        """Return (n, width): see `Reader.behaviour`."""
        return self._reader.behaviour(rows)

    def behaviour_weights(self) -> Floats:
        """Return the declared weight of each column of `behaviour`."""
        return self._reader.behaviour_weights()

    def categories(self, rows: Int32s) -> Floats:
        """Return (n, 24): see `Reader.categories`."""
        return self._reader.categories(rows)

    def touches(self, rows: Int32s) -> tuple[UInt64s, Floats]:
        """Return (content ids (n, m), weights (n, m)); unused places weigh 0."""
        return self._touches.current(rows)

    def rows_touching(self, content_ids: UInt64s) -> Int32s:
        """Return the people who touched any of these."""
        return self._touches.rows_touching(content_ids, self.people)

    def _resize(self) -> None:
        self._dense.resize(self.people)
        self._entries.resize(self.people)
        self._touches.resize(self.people)

    def _update(self, index: int, feature: Feature, events: Prepared) -> None:
        at, keys, values = events.select(feature)
        if not len(at):
            return
        family, start = self.layout.place(feature)
        if feature.sparse:
            self._entries.reserve(len(at))
        for kind, offset in self.layout.cell_offsets(feature):
            _update_feature(
                kind, family, start + offset, feature.width, events.rows[at], keys, events.at_us[at], values,
                self._dense.ints, self._dense.floats, self._entries.arrays(), self._parameters[index],
            )  # fmt: skip


@kernel
def _count_events(rows: Int32s, at_us: Int64s, dense: Int64s, late_us: int) -> int:
    late = 0
    for i in range(len(rows)):
        row, at = rows[i], at_us[i]
        if dense[row, EVENTS] == 0:
            dense[row, FIRST] = at
        elif at < dense[row, LAST] - late_us:
            late += 1
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


@kernel
def _walk(row: int, table: EntryArrays) -> Int64s:
    out = np.empty(len(table.ints), np.int64)
    n = 0
    entry = np.int64(table.head[row])
    while entry >= 0:
        out[n] = entry
        n += 1
        entry = table.ints[entry, 1]
    return out[:n].copy()


@kernel
def _merge_feature(
    kind: int, family: int, start: int, width: int, slots: int, texts: bool, row: int, source: int,
    ints: Int64s, floats: Floats, table: EntryArrays,
    from_ints: Int64s, from_floats: Floats, from_table: EntryArrays, found: Int64s, renamed: Int32s, parameters: Floats,
) -> None:  # fmt: skip
    if family < 0:
        for slot in range(slots):
            at = start + slot * width
            merge_cell(kind, ints, floats, row, at, from_ints, from_floats, source, at, parameters)
        return
    for i in range(len(found)):
        of, key = family_and_key(from_table.ints[found[i], 0])
        if of != family:
            continue
        entry = entry_at(row, family, renamed[key], table)
        if texts:
            if from_table.ints[found[i], start + 1] > table.ints[entry, start + 1]:
                table.ints[entry, start] = renamed[from_table.ints[found[i], start]]
                table.ints[entry, start + 1] = from_table.ints[found[i], start + 1]
        else:
            merge_cell(
                kind, table.ints, table.floats, entry, start,
                from_table.ints, from_table.floats, found[i], start, parameters,
            )  # fmt: skip


@kernel
def _merge_touches(
    row: int, source: int, rate: float, into: tuple[UInt64s, Floats, Int64s, Int32s],
    other: tuple[UInt64s, Floats, Int64s, Int32s],
) -> None:  # fmt: skip
    ids, weights, times, held = into
    from_ids, from_weights, from_times, from_held = other
    for i in range(from_held[source]):
        touch(row, from_ids[source, i], from_times[source, i], from_weights[source, i], rate, ids, weights, times, held)
