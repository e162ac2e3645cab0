"""The world's shell with everything that is real: blocks, the profiler's own partition, packed states."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from streams.contract import Contract, Incoming, Limits
from streams.contract.control import ERASE
from streams.contract.frames import closed
from streams.identity import Outgoing
from streams.profiles import UNASSIGNED, Layout, Position
from streams.roles._clicks import Record as ClicksRecord
from streams.roles._partition import Partition
from streams.roles._relay import IDENTITY
from streams.settings import IdentitySettings, KafkaSettings, SegmentationSettings, Settings
from streams.storage.commit import PartitionCommit
from streams.storage.restore import StoredPartition
from tests.identity.world import Event, Record

RECORD_US = 1_790_000_000_000_000
#: Few touches: people's rows stay small, and there are many of them.
SEGMENTATION = SegmentationSettings(touches=4)
LAYOUT = Layout.from_settings([], SEGMENTATION)


@cache
def block_of(events: tuple[Event, ...], partitions: int) -> bytes:
    """Return the block that intake makes of events of one partition."""
    values = [
        json.dumps({
            "type": "alias" if event.alias else "track",
            "event": "Read",
            "messageId": event.message,
            "timestamp": (RECORD_US + event.at_us) // 1000,
            "properties": {"product_id": f"p{event.message % 9}", "category": "c", "price": 2.0},
            **({"userId": event.user} if event.user else {}),
            **({"previousId" if event.alias else "anonymousId": event.anonymous} if event.anonymous else {}),
        }).encode()
        for event in events
    ]  # fmt: skip
    contract = Contract(partitions, Limits(), 600_000_000)
    times = [RECORD_US // 1000] * len(values)
    ((_, block),) = contract.apply(values, times, lambda i: Incoming("e", 0, i, None, [])).blocks
    return closed(block)


class RealShell:
    """A partition as the profiler holds it; what is stored is rows with versions, the highest of each counts."""

    def __init__(self, partition: int, partitions: int, limits: IdentitySettings, stored: Any = None) -> None:
        self._settings = Settings(
            kafka=KafkaSettings(partitions=partitions), segmentation=SEGMENTATION, identity=limits
        )
        self._partitions = partitions
        self._partition = Partition(partition, LAYOUT, self._settings, stored_partition(stored or {}))
        self.read_from = self._partition.start_offset
        self._reread = False

    @property
    def next_offset(self) -> int:
        return self.read_from

    def apply(self, offset: int, record: Record) -> list[Outgoing]:
        kind = IDENTITY if record.envelope else ERASE if record.erase else b""
        value = record.envelope or record.erase or block_of(record.events, self._partitions)
        self.read_from = offset + 1
        return self._partition.apply(ClicksRecord(0, offset, RECORD_US, value, control=kind))

    def committed_over(self, stored: Any) -> Any:
        prepared = self._partition.prepare([0])
        self._partition.committed(prepared)
        part = prepared.part
        rows = dict(stored or {})
        for name, row in _rows(part):
            if name not in rows or rows[name][0] <= part.version:
                rows[name] = (part.version, *row)
        return rows

    @property
    def taken(self) -> int:
        """How many events were accepted here, repeats, or suppressed."""
        state = self._partition.state
        return state.accepted + state.duplicates + state.suppressed

    def counts(self) -> dict[str, int]:
        state = self._partition.state
        rows = state.everybody()
        shown = state.finalize(rows)
        for features, events in zip(shown.features.to_pylist(), shown.event_count.tolist(), strict=True):
            named = dict(features)
            happened = named.get("event/Read", 0.0) + named.get("event/alias", 0.0)
            assert (happened, named["price/mean"], named["sessions"]) == (events, 2.0, 1)
        return dict(zip(state.ids(rows).to_pylist(), shown.event_count.tolist(), strict=True))


def _rows(part: PartitionCommit) -> list[tuple[str, tuple[Any, ...]]]:
    people = part.people
    columns = (people.ids.to_pylist(), people.states.to_pylist(), people.identity.to_pylist())
    return [
        ("\0position", (part.position, dict(part.marks))),
        *((name, (state, identity)) for name, state, identity in zip(*columns, strict=True)),
    ]


def stored_partition(rows: dict[str, Any]) -> StoredPartition:
    version, position, marks = rows.get("\0position", (0, Position(), {}))
    people = {name: row[1:] for name, row in rows.items() if name != "\0position"}
    return StoredPartition(
        position=replace(position),
        version=version,
        model_version=0,
        ids=pa.array(list(people), pa.utf8()),
        states=pa.array([state for state, _ in people.values()], pa.binary()),
        layouts=np.full(len(people), LAYOUT.layout_id, np.uint64),
        segment=np.full(len(people), UNASSIGNED, np.int64),
        segment_since_us=np.zeros(len(people), np.int64),
        identity={name: identity for name, (_, identity) in people.items() if identity},
        marks=marks,
        others={},
        descriptors={LAYOUT.layout_id: LAYOUT.descriptor},
    )
