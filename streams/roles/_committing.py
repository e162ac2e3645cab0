"""A commit on its way: the block and what follows it, in a thread of its own, while the next blocks are applied."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from clickhouse_connect.driver.client import Client

from streams.profiles.unusual import Unusual
from streams.roles._beside import Beside
from streams.roles._models import Version, store_versions
from streams.roles._notify import Notifier, stats_of
from streams.roles._partition import Partition, Prepared, changes_of
from streams.settings import Settings
from streams.storage.client import connect
from streams.storage.commit import commit_batches, insert_commit
from streams.storage.freshness import save_ages
from streams.telemetry import Stages

__all__ = ["Committing"]

log = logging.getLogger(__name__)


class Committing:
    """At most one commit at a time; the next one may be made when `end` has returned.

    Parameters
    ----------
    settings : Settings
        Addresses and topics.
    at : callable
        Told the name of each point a crash could hit.
    stages : Stages
        Where the time goes.
    beside : Beside
        Prepares partitions and builds their parts.

    Attributes
    ----------
    prepared : list of (Partition, Prepared)
        What is in the commit on its way, or in the next one.
    """

    def __init__(self, settings: Settings, at: Callable[[str], None], stages: Stages, beside: Beside) -> None:
        self._settings, self._at, self._stages = settings, at, stages
        self._client = connect(settings)
        self._notifier = Notifier(settings)
        self._thread = ThreadPoolExecutor(1, "commit")
        self._beside = beside
        self._safe: Future[None] | None = None
        self.prepared: list[tuple[Partition, Prepared]] = []

    @property
    def on_its_way(self) -> bool:
        """Whether `end` has something to wait for."""
        return self._safe is not None

    @property
    def returned(self) -> bool:
        """Whether it wouldn't have to wait."""
        return self._safe is not None and self._safe.done()

    def store(self, versions: Sequence[Version]) -> Future[None]:
        """Write versions of models; a row that names one may be written when this is done."""
        return self._thread.submit(store_versions, self._client, versions)

    def tell_again(self, client: Client, commits: Mapping[int, int]) -> None:
        """Do again what follows the last commits, partition -> version, of partitions that have been restored."""
        self.wait()
        self._notifier.tell_again(client, commits)

    def told(self) -> None:
        """Wait until what was told again is with the broker: the next restore repeats only the commit that comes.

        Raises
        ------
        UnavailableError
            The broker didn't take it in time.
        """
        self._notifier.flush()

    def prepare(
        self, partitions: Sequence[Partition], model_versions: Sequence[int], bases: Sequence[int],
        unusual: Unusual | None,
    ) -> None:  # fmt: skip
        """Let partitions say what is in the next commit: beside each other, none knows of another."""
        done = self._beside.map(lambda partition: partition.prepare(model_versions, bases, unusual), partitions)
        self.prepared = list(zip(partitions, done, strict=True))

    def begin(self, lease_until_us: int) -> None:
        """Send what is `prepared` on its way as one block."""
        self._safe = self._thread.submit(self._write, [prepared for _, prepared in self.prepared], lease_until_us)

    def end(self) -> list[tuple[Partition, Prepared]]:
        """Wait until the commit is safe and told to everybody; return what was in it, nothing where there is none.

        Raises
        ------
        LeaseLostError, UnavailableError
            It isn't, or nobody knows.
        """
        if self._safe is None:
            return []
        safe, self._safe = self._safe, None
        safe.result()
        for partition, prepared in self.prepared:
            partition.committed(prepared)
        return self.prepared

    def wait(self) -> None:
        """Let it come to its end, good or bad."""
        if self._safe is not None:
            wait([self._safe])

    def forget(self) -> None:
        """Wait for it, and start anew: what it held will be restored."""
        self.wait()
        self._safe = None

    def reconnect(self) -> None:
        """Open another connection, after the one before has failed."""
        self._client = connect(self._settings)

    def explain(self) -> None:
        """Say what became of it when our place was lost, perhaps long ago."""
        if self._safe is None:
            return
        self.wait()
        error, self._safe = self._safe.exception(), None
        if error is not None:
            log.warning("%s", str(error).splitlines()[0])
            return
        offsets = {partition.number: prepared.part.position.next_offset for partition, prepared in self.prepared}
        log.warning(
            "a commit may have come late (next offsets %s): it does no harm, its versions say what the new owner says "
            "at these offsets",
            offsets,
        )

    def close(self) -> None:
        """Wait for it, and let go of the broker."""
        self._thread.shutdown()
        self._notifier.close()

    def _write(self, parts: Sequence[Prepared], lease_until_us: int) -> None:
        with self._stages("insert"):
            batches = commit_batches([prepared.part for prepared in parts], lease_until_us, self._beside.map)
            insert_commit(self._client, batches)
        safe_at_us = time.time_ns() // 1000
        self._at("after insert")
        with self._stages("tell"):
            for prepared in parts:
                self._notifier.send(changes_of(prepared.part))
                self._notifier.tell(stats_of(prepared.part))
            self._notifier.flush()
            self._at("after notifications")
            ages = [(prepared.part, prepared.first_read_at_us, prepared.ages(safe_at_us // 1000)) for prepared in parts]
            save_ages(self._client, ages, safe_at_us)
