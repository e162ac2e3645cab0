"""Notifications of segment changes: after the commit, at least once, with an id that a repeat carries too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_connect.driver.client import Client

from streams.outbox import Outbox
from streams.settings import Settings
from streams.storage.commit import PartitionCommit
from streams.storage.last_commit import Stats, derive_last_commits, last_changes, last_stats

__all__ = ["Notifier", "stats_of"]

_FLUSH_S = 10.0


class Notifier:
    """Writes to `userprism.segment-changes`, keyed by person."""

    def __init__(self, settings: Settings) -> None:
        self._stats_topic = settings.kafka.topics.segment_stats
        self._topic = settings.kafka.topics.segment_changes
        self._outbox = Outbox(
            settings, **{"queue.buffering.max.messages": 1_000_000, "delivery.report.only.error": True}
        )

    def send(self, changes: pa.Table) -> None:
        """Queue a record a change (`CHANGES`).

        The id is profile, version and segmentation, hence the same after a restart.
        """
        ids = changes.column("profile_id").combine_chunks()
        self._outbox.send_all(self._topic, _records(changes).to_pylist(), ids.cast(pa.binary()).to_pylist())

    def tell(self, stats: Sequence[Stats]) -> None:
        """Queue a record for each segmentation and interval of which a commit says something new.

        The id is partition, version, segmentation and interval, hence the same after a restart.
        """
        for said in stats:
            self._outbox.send(self._stats_topic, msgspec.json.encode(said), said.segmentation.encode())

    def tell_again(self, client: Client, commits: Mapping[int, int]) -> None:
        """Do again what follows a commit, in tables and topics: a crash may have cut it off.

        Whoever has it already knows it by its ids. `commits` are the last ones, partition -> version.
        """
        if commits:
            derive_last_commits(client, commits)
            self.send(last_changes(client, commits))
            self.tell(last_stats(client, commits))

    def flush(self) -> None:
        """Wait until the broker has everything: restore repeats only the last commit, so none may overtake it.

        Raises
        ------
        UnavailableError
            The broker didn't take them in time.
        """
        self._outbox.flush(_FLUSH_S)

    def close(self) -> None:
        """Let go of the broker."""
        self._outbox.close()


def _records(changes: pa.Table) -> pa.Array:
    """Return the records of changes as JSON, as columns: a commit may move everybody."""
    person, version, old, new, model_version, at_us, segmentation = (
        column.combine_chunks().cast(pa.utf8()) for column in changes.columns
    )
    person, segmentation = _escaped(person), _escaped(segmentation)
    pieces = [
        '{"id":"', person, ":", version, ":", segmentation, '","profile_id":"', person, '","from_segment":', old,
        ',"to_segment":', new, ',"model_version":', model_version, ',"at_us":', at_us, ',"segmentation":"',
        segmentation, '"}', "",
    ]  # fmt: skip
    return pc.binary_join_element_wise(*pieces).cast(pa.binary())


def _escaped(texts: pa.Array) -> pa.Array:
    """Return texts as they stand between the quotes of JSON."""
    odd = pc.match_substring_regex(texts, r'["\\\x00-\x1f]')
    if not pc.any(odd).as_py():
        return texts
    as_json = [msgspec.json.encode(text)[1:-1].decode() for text in texts.filter(odd).to_pylist()]
    return pc.replace_with_mask(texts, odd, pa.array(as_json, pa.utf8()))


def stats_of(part: PartitionCommit) -> list[Stats]:
    """Return what a commit says of who was active, as the topic has it."""
    versions = {part.segmentation: part.model_version, **{o.segmentation: o.model_version for o in part.others}}
    changed: dict[tuple[str, int], dict[int, int]] = {}
    for row in part.activity:
        if row.changed:
            changed.setdefault((row.segmentation, row.at_us), {})[row.segment] = row.active
    shared = part.interval_s, part.newest_event_us
    return [
        Stats.of(part.partition, part.version, (name, versions[name], at_us, *shared, active))
        for (name, at_us), active in changed.items()
    ]
