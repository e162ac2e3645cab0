"""One partition in the profiler's memory: its state, its labels, and what has changed since the last commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from streams.contract import Block, BlockError, ControlError, Erase, decode_block, decode_control, decode_ids
from streams.contract.control import ERASE, SUPPRESSED
from streams.identity import Outgoing
from streams.profiles import Activity, Applied, Layout, PartitionState, Position
from streams.profiles._kernel import distinct
from streams.profiles.labels import PartitionLabels
from streams.profiles.unusual import Unusual, with_columns
from streams.roles._clicks import Record
from streams.roles._identity import Identities
from streams.settings import Settings
from streams.storage.commit import MAX_SEQ, OtherSegments, PartitionCommit, PeopleRows
from streams.storage.last_commit import CHANGES
from streams.storage.restore import StoredPartition

__all__ = ["Partition", "Prepared", "changes_of"]

Rows = npt.NDArray[np.int32]
#: Why nothing can be read from a record.
Unreadable = BlockError | ControlError

#: Above this age a commit's freshness is kept in whole seconds, below it in steps of 10 ms: the histogram stays small.
_COARSE_AGE_MS = 10_000
#: So many changed people are counted without looking for repeats.
_FEW = 20_000
#: A person's row is so many times as large as a line about a link.
_LINES_A_ROW = 4
#: What the table can hold: 49 days, and clocks are wrong by more than that.
_OLDEST_MS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Prepared:
    """A partition's part of a commit that is on its way.

    Attributes
    ----------
    rows : ndarray of int32
        The people in it.
    source_ms : list of ndarray of int64
        Record times of the events that it is the first to hold.
    first_read_at_us : int
        When intake read the first of them, 0 for none.
    """

    part: PartitionCommit
    rows: Rows
    source_ms: list[npt.NDArray[np.int64]]
    first_read_at_us: int

    def ages(self, now_ms: int) -> dict[int, int]:
        """Return age in ms -> events."""
        if not self.source_ms:
            return {}
        ages = np.clip(now_ms - np.concatenate(self.source_ms), 0, _OLDEST_MS)
        rounded = np.where(ages < _COARSE_AGE_MS, ages // 10 * 10, ages // 1000 * 1000)
        values, counts = np.unique(rounded, return_counts=True)
        return dict(zip(values.tolist(), counts.tolist(), strict=True))


def _suppressed(ids: pa.Array) -> list[str]:
    found: list[str] = ids.filter(pc.starts_with(ids, SUPPRESSED)).to_pylist()
    return found


class Partition:
    """Everything the profiler knows of one partition of `userprism.clicks`.

    Parameters
    ----------
    number : int
        The partition.
    layout : Layout
        How states are packed from now on; older ones are read as well.
    settings : Settings
        Dedup window, EWMA and margin.
    stored : StoredPartition
        What ClickHouse holds.
    """

    def __init__(self, number: int, layout: Layout, settings: Settings, stored: StoredPartition) -> None:
        self.number = number
        self.labels = PartitionLabels(settings.segmentation, settings.other_segmentations)
        self._names = [one.name for one in settings.segmentations]
        self.state = PartitionState(
            layout,
            dedup_window_us=settings.dedup.window_s * 1_000_000,
            dedup_max_ids=settings.dedup.max_ids,
            interval_us=settings.shifts.interval_s * 1_000_000,
        )
        self._interval_s = settings.shifts.interval_s
        self.activity = Activity(self._names, settings.shifts.interval_s * 1_000_000)
        self.activity.restore(stored.activity, stored.newest_event_us)
        self.state.restore(stored.ids, stored.states, stored.layouts, stored.descriptors, stored.position)
        self.state.suppress([int(text.removeprefix(SUPPRESSED), 16) for text in _suppressed(stored.ids)])
        self.labels.restore(stored.segment, stored.segment_since_us)
        for name, labels in zip(self._names[1:], self.labels.others, strict=True):
            if name in stored.others:
                labels.restore(stored.others[name].segment, stored.others[name].since_us)
        self.start_offset = min(stored.position.dedup_start, self.next_offset)
        self._identities = Identities(number, layout, settings, self.state, self.labels, note=self._note)
        self._identities.restore(stored.identity, stored.marks)
        self._layout = layout
        self._next_seq = stored.next_seq
        self._bases: Sequence[int] | None = None
        self._dirty: list[Rows] = []
        self._unobserved: list[Rows] = []
        self._moved = self._on_its_way = False
        self._sources = dict(stored.position.sources)
        #: until the dedup window is read again, a commit has to say where that begins as the stored one does
        self._refilling: Position | None = stored.position if self.start_offset < self.next_offset else None
        self._source_ms: list[npt.NDArray[np.int64]] = []
        self._first_read_at_us = 0

    @property
    def next_offset(self) -> int:
        """The offset of the next block that counts."""
        return self.state.next_offset

    @property
    def changed(self) -> bool:
        """Whether a commit would say anything new."""
        return self._moved or bool(self._dirty)

    @property
    def newest_source_ms(self) -> int:
        """Record time of the newest event that the next commit is the first to hold, 0 for none."""
        return int(self._source_ms[-1].max()) if self._source_ms else 0

    @property
    def settled(self) -> bool:
        """Whether ClickHouse holds everything."""
        return not self.changed and not self._on_its_way

    @property
    def dirty_rows(self) -> int:
        """How many rows a commit would have, or what is as large; people count with repeats while those are few."""
        if len(self._dirty) > 1 and sum(map(len, self._dirty)) > _FEW:
            self._dirty = [distinct(self._dirty, self.state.people)]
        return sum(map(len, self._dirty)) + self._identities.links // _LINES_A_ROW

    @property
    def unobserved_rows(self) -> int:
        """How many people came since `take_unobserved`, counted with repeats."""
        return sum(len(rows) for rows in self._unobserved)

    @property
    def unobserved(self) -> Rows:
        """The people who came since `take_unobserved`, each once: they are observed before the next commit."""
        came = distinct(self._unobserved, self.state.people)
        return came[self.state.present(came)]

    def take_unobserved(self) -> Rows:
        """Return the people who came since the last call, each once."""
        came, self._unobserved = self.unobserved, []
        return came

    def apply_all(self, records: Sequence[Record]) -> list[tuple[Record, list[Outgoing] | Unreadable]]:
        """Apply one after the other; return with each what `apply` does, or why it was passed over."""
        answers: list[tuple[Record, list[Outgoing] | Unreadable]] = []
        for record in records:
            try:
                answers.append((record, self._apply(record)))
            except (BlockError, ControlError) as error:
                self.pass_over(record)
                answers.append((record, error))
        self._identities.settle()
        return answers

    def apply(self, record: Record) -> list[Outgoing]:
        """Apply one record and return what is to be said to other owners, all of it before the next commit.

        A block before the position only refills the dedup window.
        """
        said = self._apply(record)
        self._identities.settle()
        return said

    def _apply(self, record: Record) -> list[Outgoing]:
        if record.offset < self.next_offset:
            if not record.control:
                hashes = decode_ids(record.value)
                self.state.learn_ids_only(hashes, offset=record.offset, record_time_us=record.record_time_us)
            return []
        self._refilling = None
        self._identities.owner.begin(record.offset)
        if record.control == ERASE:
            self._identities.settle()
            self._erase(decode_control(record.value))
            self.state.pass_over(record.offset)
        elif record.control:
            self._identities.hear(record.value)
            self.state.pass_over(record.offset)
        else:
            block = decode_block(record.value)
            self._identities.settle()
            applied = self.state.apply(block, offset=record.offset, record_time_us=record.record_time_us)
            for source, offset in record.sources.items():
                self._sources[source] = max(offset, self._sources.get(source, 0))
            self._note(block, applied)
            self._identities.meet(block, applied)
        said, merged, linked = self._identities.end()
        self._moved = True
        self._dirty += [merged, linked]
        self._unobserved.append(merged)
        return said

    def _erase(self, order: Erase) -> None:
        """Leave an empty row where a person was: whatever is older has a lower version and can't come back over it."""
        rows = self.state.rows_for([order.profile_id])
        self.state.clear(int(rows[0]))
        self._identities.forget(order.profile_id)
        self.labels.resize(self.state.people)
        self.labels.leave(rows)
        self.labels.committed[rows] = self.labels.of(rows)  # going is no change of segment that anybody is told of
        if order.suppress:
            key = int(self.state.hashes(rows)[0])
            self.state.suppress([key])
            rows = np.append(rows, self.state.rows_for([f"{SUPPRESSED}{key:016x}"]))
            self.labels.resize(self.state.people)
            self.labels.leave(rows)
            self.labels.committed[rows] = self.labels.of(rows)
        self._dirty.append(rows)

    def _note(self, block: Block, applied: Applied) -> None:
        """Remember whom a block touched, and how old its events were."""
        self._dirty.append(applied.rows)
        self._unobserved.append(applied.rows)
        if len(applied.events):
            self.activity.note(applied.arrivals, int(block.at_us[applied.events].max()))
        counted = np.delete(block.source_ms, applied.away) if len(applied.away) else block.source_ms
        if len(counted):
            self._source_ms.append(counted)
            self._first_read_at_us = self._first_read_at_us or block.read_at_us

    def pass_over(self, record: Record) -> None:
        """Count a record as read that nothing can be read from."""
        self.state.next_offset = max(self.state.next_offset, record.offset + 1)
        self._moved = True

    def note_model(self) -> None:
        """Commit the position too, though nobody's label changed: the model that it names is of another space now."""
        if self._next_seq < MAX_SEQ:
            self._dirty.append(np.empty(0, np.int32))

    def mark(self, rows: Rows) -> None:
        """Commit these people too: their label changed though their state didn't."""
        if len(rows) and self._next_seq < MAX_SEQ:
            self._dirty.append(rows)

    def prepare(
        self, model_versions: Sequence[int], bases: Sequence[int] | None = None, unusual: Unusual | None = None
    ) -> Prepared:
        """Return what a commit says now, under the version of each segmentation's model; `unusual` adds its columns.

        `bases` are the versions since which each model has but learned: where that is another than at the last commit,
        people's segments have changed without them. The next one is prepared when `committed` was told of this one.
        """
        rows = distinct(self._dirty, self.state.people)
        done = self.state.finalize(rows)
        self.labels.resize(self.state.people)
        position = self.state.position()
        if self._refilling is not None:
            stored = self._refilling
            position = replace(
                position,
                dedup_start=stored.dedup_start,
                dedup_time_us=stored.dedup_time_us,
                log_time_us=stored.log_time_us,
            )
        came_at = np.where(done.event_count > 0, done.last_seen_us, position.log_time_us)
        segments, *others = [
            OtherSegments(name, version, *labels.turn(rows, came_at), labels.sizes(self.state.people))
            for name, version, labels in zip(
                self._names, model_versions, [self.labels, *self.labels.others], strict=True
            )
        ]
        before, self._bases = self._bases, None if bases is None else tuple(bases)  # theirs changes under our hands
        for place, of_it in enumerate([segments, *others]):
            self.activity.moved(
                of_it.segmentation, of_it.previous_segment, of_it.segment, of_it.since_us,
                by_model=before is not None and bases is not None and before[place] != bases[place],
            )  # fmt: skip
        self.activity.count(self.labels)
        ids = self.state.ids(rows)
        part = PartitionCommit(
            partition=self.number,
            position=replace(position, sources=dict(self._sources)),
            seq=0 if self._moved else self._next_seq,
            model_version=segments.model_version,
            layout_id=self._layout.layout_id,
            people=PeopleRows(
                ids=ids,
                states=done.states,
                identity=self._identities.column(rows, ids),
                traits=done.traits,
                features=with_columns(done.features, unusual.columns(self.state, rows)) if unusual else done.features,
                touched=done.touched,
                event_count=done.event_count,
                first_seen_us=done.first_seen_us,
                last_seen_us=done.last_seen_us,
                segment=segments.segment,
                previous_segment=segments.previous_segment,
                segment_since_us=segments.since_us,
            ),
            segmentation=segments.segmentation,
            segment_people=segments.people,
            others=others,
            marks=dict(self._identities.owner.marks),
            links=self._identities.take_links(),
            activity=self.activity.take(),
            newest_event_us=self.activity.newest_us,
            interval_s=self._interval_s,
        )
        prepared = Prepared(part, rows, self._source_ms, self._first_read_at_us)
        self._next_seq = part.seq + 1
        self._moved = False
        self._dirty, self._source_ms, self._first_read_at_us = [], [], 0
        self._on_its_way = True
        return prepared

    def committed(self, prepared: Prepared) -> None:
        """Take note that ClickHouse holds what was prepared."""
        self._on_its_way = False
        for said, labels in zip(_segments_in(prepared.part), [self.labels, *self.labels.others], strict=True):
            labels.committed[prepared.rows] = said.segment


def changes_of(part: PartitionCommit) -> pa.Table:
    """Return the changes of segment in a commit (`CHANGES`)."""
    changes = []
    for said in _segments_in(part):
        moved = np.flatnonzero(said.segment != said.previous_segment)
        columns = [
            part.people.ids.take(moved), pa.repeat(part.version, len(moved)), said.previous_segment[moved],
            said.segment[moved], pa.repeat(said.model_version, len(moved)), said.since_us[moved],
            pa.repeat(said.segmentation, len(moved)),
        ]  # fmt: skip
        changes.append(pa.table(columns, names=CHANGES.names).cast(CHANGES))
    return pa.concat_tables(changes)


def _segments_in(part: PartitionCommit) -> list[OtherSegments]:
    """Return what a commit says in each segmentation, the first one first."""
    people = part.people
    first = OtherSegments(
        part.segmentation, part.model_version, people.segment, people.previous_segment, people.segment_since_us, {}
    )
    return [first, *part.others]
