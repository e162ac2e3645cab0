"""Notifications of segment changes: after the commit, at least once, with an id that a repeat carries too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from clickhouse_connect.driver.client import Client

from streams.kafka import Outbox
from streams.settings import Settings
from streams.storage.commit import PartitionCommit
from streams.storage.last_commit import Change, Stats, derive_last_commits, last_changes, last_stats

__all__ = ["Notifier", "stats_of"]

_FLUSH_S = 10.0


class _Notification(msgspec.Struct, frozen=True):
    id: str
    profile_id: str
    from_segment: int
    to_segment: int
    model_version: int
    at_us: int
    segmentation: str


class Notifier:
    """Writes to `userprism.segment-changes`, keyed by person."""

    def __init__(self, settings: Settings) -> None:
        self._stats_topic = settings.kafka.topics.segment_stats
        self._topic = settings.kafka.topics.segment_changes
        self._outbox = Outbox(settings, **{"queue.buffering.max.messages": 1_000_000})

    def send(self, changes: Sequence[Change]) -> None:
        """Queue a record a change; the id is profile, version and segmentation, hence the same after a restart."""
        for change in changes:
            value = _Notification(
                id=f"{change.profile_id}:{change.version}:{change.segmentation}",
                profile_id=change.profile_id,
                from_segment=change.from_segment,
                to_segment=change.to_segment,
                model_version=change.model_version,
                at_us=change.at_us,
                segmentation=change.segmentation,
            )
            self._outbox.send(self._topic, msgspec.json.encode(value), change.profile_id.encode())

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
