"""The lease: until when ClickHouse may take a commit from us.

Only ClickHouse's clock and our monotonic clock are used.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from streams.errors import UnavailableError
from streams.settings import Settings

__all__ = ["Lease"]

_FAR_FUTURE_US = 4_000_000_000_000_000


class Lease:
    """Renewed by an offset commit that succeeded, for it proves that the group still counts us in.

    Parameters
    ----------
    settings : Settings
        Session timeout (nobody else owns our partitions before it has passed) and margin.
    commit_offsets : callable
        Commits offsets synchronously; raises LeaseLostError when the group has moved on.
    """

    def __init__(self, settings: Settings, commit_offsets: Callable[[Mapping[int, int]], None]) -> None:
        self._held_s = (settings.kafka.session_timeout_ms - settings.profiler.lease_margin_ms) / 1000
        self._enforced = settings.profiler.lease
        self._commit_offsets = commit_offsets
        self._until_us = 0
        self._renewed_at = -self._held_s

    def renew(self, client: Client, offsets: Mapping[int, int]) -> None:
        """Commit `offsets` and hold the lease anew, from the time ClickHouse showed before that."""
        asked_at = time.monotonic()
        try:
            now_us = int(client.query("SELECT toUnixTimestamp64Micro(now64(6))").result_rows[0][0])
        except (ClickHouseError, OSError) as error:
            msg = f"ClickHouse doesn't tell its time: {str(error).splitlines()[0]}"
            raise UnavailableError(msg) from error
        self._commit_offsets(offsets)
        self._until_us = now_us + int(self._held_s * 1e6)
        self._renewed_at = asked_at

    def until_us(self, client: Client, offsets: Mapping[int, int]) -> int:
        """Return the time (us, ClickHouse's clock) that a commit made now may carry; renews when half of it is gone."""
        if not self._enforced:
            return _FAR_FUTURE_US
        if time.monotonic() - self._renewed_at > self._held_s / 2:
            self.renew(client, offsets)
        return self._until_us
