"""Whether all that was published has gone down the whole road: intake, profiler, encoder, ClickHouse."""

from __future__ import annotations

import time
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from streams.errors import UnavailableError
from streams.lag import GroupLag
from streams.settings import Settings
from streams.storage.client import connect
from streams.telemetry import instances, read_statuses

__all__ = ["Arrival", "Lag"]

_ENCODED = "SELECT count() FROM content FINAL WHERE status = 'ok'"
#: Everything must look done for this long: vectors cause one more fit, and the fit one more commit.
_SETTLED_S = 2.5


@dataclass(frozen=True, slots=True)
class Lag:
    """How much is still on the road.

    Attributes
    ----------
    intake : int
        Records of the events topic that intake hasn't committed.
    profiler : int
        Offsets of `userprism.clicks` that aren't in ClickHouse (control records count too).
    vectors : int
        Pieces of content whose vector the profiler doesn't have yet; counted once nothing else is on the road.
    """

    intake: int
    profiler: int
    vectors: int
    idle: bool

    @property
    def done(self) -> bool:
        """Whether nothing is on the road."""
        return self.idle and self.intake == self.profiler == self.vectors == 0


class Arrival:
    """Asks broker, ClickHouse and the roles' status files; `settled` once nothing moves any more."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None  # ClickHouse may be away just now
        self._done_since = 0.0
        self._intake = GroupLag(settings, "intake", settings.kafka.topics.events)
        self._profiler = GroupLag(settings, "profiler", settings.kafka.topics.clicks, committed=False)

    def lag(self) -> Lag:
        """Return what is still on the road; unknown counts as one."""
        statuses = read_statuses(self._settings.run_dir)
        ours = (
            self._settings.intake.instance_id,
            self._settings.profiler.instance_id,
            self._settings.encoder.instance_id,
        )
        idle = all(  # a role on another machine leaves no status here
            fields.get("idle") and time.time() - fields["updated"] < 5.0
            for name in ours
            for fields in instances(statuses, name)
        )
        known = [fields.get("vectors") for fields in instances(statuses, self._settings.profiler.instance_id)]
        intake, profiler = self._intake.records(), self._profiler.records()
        vectors = 0 if intake or profiler else self._vectors_to_come(known)
        return Lag(intake, profiler, vectors, idle)

    def settled(self, lag: Lag) -> bool:
        """Whether everything has been done for a while, `lag` being the newest answer; ask a few times a second."""
        if not lag.done:
            self._done_since = 0.0
            return False
        self._done_since = self._done_since or time.monotonic()
        return time.monotonic() - self._done_since >= _SETTLED_S

    def close(self) -> None:
        """Let go of the connections."""
        self._intake.close()
        self._profiler.close()
        if self._client is not None:
            self._client.close()

    def _vectors_to_come(self, known: list[int | None]) -> int:
        """Asked last, when nothing else is to come: while clicks are on the road ClickHouse has better things to do."""
        try:
            self._client = self._client or connect(self._settings)
            encoded: int = self._client.query(_ENCODED).result_rows[0][0]
        except (ClickHouseError, OSError, UnavailableError):
            return 1
        return max((abs(encoded - vectors) for vectors in known if vectors is not None), default=0)
