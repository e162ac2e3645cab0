"""The profiler: blocks of clicks in; profiles, segments and their changes out. Start reading at `Profiler.step`.

One process owns some partitions of `userprism.clicks`. Memory is a cache of what ClickHouse holds plus what the log
says after it, so every failure has the same cure: throw memory away, restore, read on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from clickhouse_connect.driver.exceptions import ClickHouseError

from streams.errors import AlreadyRunningError, LeaseLostError, StateError, Transient
from streams.memory import collect_seldom, keep_memory
from streams.profiles import Layout, PartitionLabels, PartitionState, Segmentations
from streams.roles._beside import Beside
from streams.roles._clicks import Clicks, Record
from streams.roles._committing import Committing
from streams.roles._latent_feed import LatentFeed, UnusualFeed
from streams.roles._lease import Lease
from streams.roles._models import ModelVersions
from streams.roles._pace import Pace
from streams.roles._partition import Partition
from streams.roles._poison import Poison
from streams.roles._read_ahead import read_ahead
from streams.roles._relay import Relay
from streams.roles._sharing import Sharing
from streams.roles._vector_feed import VectorFeed
from streams.settings import Settings
from streams.storage.client import connect
from streams.storage.restore import StoredPartition, save_layout
from streams.telemetry import RoleStatus, Stages
from streams.warmup import warm_up

__all__ = ["CRASH_POINTS", "Profiler", "prepare", "run"]

log = logging.getLogger(__name__)

#: So many (person, block) pairs are worth a look before a commit is due, while nothing else is to be done.
_WORTH_A_LOOK = 20_000
_RETRY_S = 1.0
#: What it holds beside its people: blocks, and a commit on its way.
_MEMORY_BYTES = 192 << 20

#: ClickHouse may go away, or run out of space, in any statement; what it held is safe, so the cure is the same.
_MAY_PASS = (Transient, ClickHouseError, OSError)

#: Where a crash could leave things half done, in the order they are reached.
CRASH_POINTS = (
    "between records", "after model", "after sending", "before insert", "after insert", "after notifications",
)  # fmt: skip


def prepare() -> int:
    """Do what a start takes seconds for and needs no settings for; return how many bytes are held for what comes.

    A spare process has done it already.
    """
    warm_up()
    keep_memory(_MEMORY_BYTES)  # behind what stays of that: a spare process that is to hold more makes it longer
    collect_seldom()
    return _MEMORY_BYTES


def run(settings: Settings, stop: threading.Event) -> None:
    """Work until `stop` is set.

    Raises
    ------
    Terminal
        Another profiler under our instance id, a position that the log no longer holds, settings that contradict what
        is stored.
    """
    prepare()
    profiler = Profiler(settings)
    try:
        while not stop.is_set():
            try:
                profiler.step()
            except _MAY_PASS as error:
                profiler.recover(error, stop)
            except AlreadyRunningError:
                profiler.explain_last_commit()
                raise
        profiler.commit()
    finally:
        profiler.close()


class Profiler:
    """One page: what happens to a block, and when it is safe in ClickHouse.

    Parameters
    ----------
    settings : Settings
        Addresses, features, segmentation.
    at : callable, optional
        Told the name of each point a crash could hit; tests raise there (`CRASH_POINTS`).
    """

    def __init__(self, settings: Settings, at: Callable[[str], None] = lambda point: None) -> None:
        self._settings = settings
        self._at = at
        self._status = RoleStatus(settings.run_dir, settings.profiler.instance_id)
        self._stages = Stages()
        self._client = connect(settings)
        self._beside = Beside()
        self._committing = Committing(settings, at, self._stages, self._beside)
        self._layout = Layout.from_settings(settings.features, settings.segmentation)
        save_layout(self._client, self._layout.layout_id, self._layout.descriptor)
        self._vectors = VectorFeed(settings, self._client)
        self._behaviour = LatentFeed(settings, self._client)
        self._unusual = UnusualFeed(settings, self._client)
        self._vectors.table.latent = self._behaviour.latent
        self._segmentations = Segmentations(settings.segmentations, self._vectors.table)
        self._models = ModelVersions(self._client, self._segmentations, self._layout.layout_id)
        self._sharing = Sharing(settings, self._segmentations, self._models)
        self._partitions: dict[int, Partition] = {}
        self._arranged = False
        self._poison, self._relay = Poison(settings), Relay(settings)
        self._clicks = Clicks(settings, self._acquire, self._release)
        self._lease = Lease(settings, self._clicks.commit)
        self._unseen: list[npt.NDArray[np.uint64]] = []
        self._pace = Pace(settings.profiler.commit_interval_ms / 1000, lambda: self._clicks.at_end)

    def step(self) -> None:
        """Read some blocks, apply them one by one, learn, label, and commit when it is time."""
        with self._stages("consume"):
            records = self._clicks.poll()
        if self._partitions and not self._arranged:
            self._sharing.arrange(self._client, self._partitions, self._space_id)
            self._arranged = True
        self._apply(records)
        if self._clicks.at_end and sum(p.unobserved_rows for p in self._partitions.values()) >= _WORTH_A_LOOK:
            self._observe()
        with self._stages("vectors"):
            self._take_vectors()
        returned = self._committing.returned
        if returned:
            self._end_commit()
        if returned or self._all_safe or not self._segmentations.fitted:  # now a fit keeps little waiting
            with self._stages("fit"):
                self._fit_if_due()
        if self._sharing.active:
            with self._stages("share"):
                self._share()
        if self._commit_due():
            self._begin_commit()
        self._report()

    def commit(self) -> None:
        """Write all changes and wait until they are safe."""
        self._end_commit()
        self._begin_commit()
        self._end_commit()

    def _begin_commit(self) -> None:
        """Send all changes on their way as one block; the next blocks are applied meanwhile."""
        self._end_commit()
        self._observe()
        versions = self._models.take(self._space_id)
        if versions:  # who has lost its place mints nothing
            self._lease.until_us(self._client, self._committed_offsets())
        stored = self._committing.store(versions)
        changed = self._changed
        self._pace.has_committed(some=bool(changed))
        with self._stages("pack"):
            self._committing.prepare(changed, self._models.newest, self._models.bases, self._unusual.model)
        with self._stages("model"):
            stored.result()  # before any row that names it
        self._at("after model")
        if not changed:
            self._renew_lease()
            return
        with self._stages("relay"):  # what owners say to each other is in the log before anybody counts on it
            self._relay.flush()
            self._committing.told()
        self._at("after sending")
        self._at("before insert")
        self._committing.begin(self._lease.until_us(self._client, self._committed_offsets()))

    def _end_commit(self) -> None:
        """Wait for the commit on its way and take note that it is safe."""
        safe = self._committing.end()
        if safe:
            self._clicks.tell({partition.number: p.part.position.next_offset for partition, p in safe})
            self._renew_lease()

    def _renew_lease(self) -> None:
        if self._pace.log_read:
            self._lease.renew(self._client, self._committed_offsets())

    def recover(self, error: Exception, stop: threading.Event) -> None:
        """Throw memory away and restore, as often as it takes; the group keeps our place meanwhile."""
        log.warning("%s; discarding memory and restoring", str(error).splitlines()[0])
        if isinstance(error, LeaseLostError):
            self._committing.explain()
        self._committing.forget()
        self._relay.forget()
        while not stop.is_set():
            self._status.update(state="paused", waiting_for=str(error))
            self._clicks.hold()
            if stop.wait(_RETRY_S):
                return
            try:
                self._client = connect(self._settings)
                self._committing.reconnect()
                self._clicks.restart()
            except _MAY_PASS as again:
                error = again
                continue
            log.info("restored partitions %s", self._clicks.partitions)
            return

    def explain_last_commit(self) -> None:
        """Say what became of the commit that was on its way when our place was lost, perhaps long ago."""
        self._committing.explain()

    def close(self) -> None:
        """Leave the group; what was not committed is read again by whoever comes next."""
        self._committing.close()
        self._clicks.close()
        self._vectors.close()
        self._behaviour.close()
        self._unusual.close()
        self._poison.close()
        self._relay.close()
        self._sharing.close()
        self._beside.close()
        self._status.close()

    @property
    def _settled(self) -> bool:
        """Whether nothing more is coming in."""
        return not self._unseen and self._pace.settled(self._vectors.quiet_s)

    @property
    def _changed(self) -> list[Partition]:
        """Return the partitions that a commit would say something new about."""
        return [partition for partition in self._partitions.values() if partition.changed]

    @property
    def _all_safe(self) -> bool:
        return all(partition.settled for partition in self._partitions.values())

    def _acquire(self, lows: Mapping[int, int]) -> dict[int, int]:
        """Restore partitions that have become ours; return where to read from. One is read while another is built."""
        starts, last_commits = {}, {}
        for number, stored in read_ahead(self._client, list(lows)):
            starts[number] = self._take_up(number, stored, lows[number])
            if stored.version:
                last_commits[number] = stored.version
        self._committing.tell_again(self._client, last_commits)
        return starts

    def _take_up(self, number: int, stored: StoredPartition, low: int) -> int:
        if stored.version == 0:
            stored = stored.starting_at(low)
        elif stored.position.next_offset < low:
            msg = (
                f"partition {number} is stored up to offset {stored.position.next_offset}, and the log begins at "
                f"{low}: the events between are gone (kafka.clicks_retention_s too short for the outage?). "
                "Going on would skip them"
            )
            raise StateError(msg)
        partition = Partition(number, self._layout, self._settings, stored)
        self._partitions[number] = partition
        self._pace.has_taken_up(held=stored.version > 0)
        self._arranged = False
        log.info("partition %d: %d people, from offset %d", number, partition.state.people, partition.next_offset)
        return max(partition.start_offset, low)

    def _release(self, number: int) -> None:
        self._committing.wait()  # whoever restores next then finds it, or knows that it failed
        self._partitions.pop(number, None)
        self._arranged = False

    def _apply(self, records: list[Record]) -> None:
        """Apply each block by itself, partitions beside each other; what owners say goes out in their logs' order."""
        if records and not self._changed:
            self._pace.has_changed()
        ours = {partition: [r for r in records if r.partition == n] for n, partition in self._partitions.items()}
        spoke = False
        with self._stages("apply"):
            for answers in self._beside.map(Partition.apply_all, ours, ours.values()):
                for record, answer in answers:
                    if isinstance(answer, Exception):
                        self._poison.refuse(record, answer)
                    else:
                        self._relay.send(answer)
                        spoke |= bool(answer)
                    self._at("between records")
        self._pace.has_polled(records, spoke=spoke)

    def _observe(self) -> None:
        """Learn from the people who came, and label them: before a commit says who is where, or in a pause."""
        with self._stages("segment"):
            came = [partition.take_unobserved() for partition in self._partitions.values()]
            self._segmentations.observe(self._people, came, self._beside.map)
            self._mark(self._segmentations.resettle(self._people))

    def _mark(self, changed: Sequence[npt.NDArray[np.int32]]) -> None:
        for partition, rows in zip(self._partitions.values(), changed, strict=True):
            partition.mark(rows)

    def _share(self) -> None:
        """Tell others what was learned, and go on from what all have learned."""
        adopted = self._sharing.exchange(self._client, self._people, self._space_id, drained=self._settled)
        for changed in adopted:
            self._mark(changed)
        if adopted:
            self._mark(self._segmentations.resettle(self._people))

    def _take_vectors(self) -> None:
        """People whose content has just become known are looked at again, some time later and all at once."""
        if self._vectors.changed():
            self._change_space("encoder changed")
        if self._behaviour.changed():
            self._change_space("behaviour model changed")
        self._unusual.changed()  # people are scored by it from their next commit on
        arrived = self._vectors.poll()
        if len(arrived):
            self._unseen.append(arrived)
        if not self._unseen or not self._pace.may_look_again:
            return
        content = np.concatenate(self._unseen)
        self._unseen.clear()
        for partition in self._partitions.values():
            rows = partition.state.rows_touching(content)
            changed = self._segmentations.relabel(partition.state, partition.labels, rows, partition.unobserved)
            partition.mark(changed)
        self._pace.has_looked_again()

    def _change_space(self, cause: str) -> None:
        """From now on everybody's touches are looked at in another space, all at once."""
        self._unseen.clear()
        self._vectors.table.latent = self._behaviour.latent
        self._segmentations.use(self._vectors.table, cause)
        if self._segmentations.any_fitted:
            self._fit(settled=True)
        for partition in self._partitions.values():
            partition.note_model()

    def _fit_if_due(self) -> None:
        if self._pace.may_fit or not self._segmentations.fitted:
            self._fit(settled=self._settled)

    def _fit(self, *, settled: bool) -> None:
        began_at = time.monotonic()
        changed = self._segmentations.fit_if_due(self._people, drained=settled) if self._partitions else None
        if changed is not None:
            self._mark(changed)
            self._pace.has_fitted(began_at, settled=settled)

    def _commit_due(self) -> bool:
        changed = self._changed
        if self._pace.commit_due(changed, on_its_way=self._committing.on_its_way):
            return True
        if changed or self._committing.on_its_way:
            return False
        return self._pace.log_read and self._committed_offsets() != self._clicks.offsets_committed

    def _committed_offsets(self) -> dict[int, int]:
        """How far ClickHouse holds each partition; at a log's end the control records behind the last block count."""
        return self._clicks.reached({n: p.next_offset for n, p in self._partitions.items() if p.settled})

    @property
    def _people(self) -> list[tuple[PartitionState, PartitionLabels]]:
        return [(partition.state, partition.labels) for partition in self._partitions.values()]

    @property
    def _space_id(self) -> str:
        """The space that people's touches are looked at in: a model of another one says nothing about them."""
        latent = self._behaviour.latent
        return " + ".join([self._vectors.space_id, *([latent.space_id] if latent else [])])

    def _report(self) -> None:
        partitions = self._partitions.values()
        self._status.update(
            state="ready" if self._partitions else "starting",
            people=sum(p.state.people for p in partitions),
            accepted=sum(p.state.accepted for p in partitions),
            vectors=len(self._vectors.table),
            space=self._vectors.space_id,
            behaviour_model=self._behaviour.space_id,
            anomaly_model=self._unusual.space_id,
            model_version=self._models.newest[0],
            idle=self._pace.log_read and not self._unseen and self._all_safe and not self._sharing.waits,
            stages=self._stages.seconds,
        )
