"""When a commit, a fit or a second look is due: by what happened when, and by whether the log has been read."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from streams.roles._clicks import Record

__all__ = ["Pace"]

#: A commit is made early when this many people have changed, so that a partition's part stays one block (64 MB).
_MAX_DIRTY_ROWS = 30_000
#: The log counts as read when its end was seen and nothing has come for this long; commits don't wait any longer then.
_QUIET_S = 0.15
#: And for this long when intake has said that more is to come: a transaction of it may take longer than that.
_QUIET_BEFORE_MORE_S = 1.0
#: When its end was seen and nothing has come for this long, half of a commit's interval is enough.
_PAUSE_S = 0.05
#: People are looked at again for newly known content at most this often, and less often while clicks are behind.
_RELABEL_INTERVAL_S = 1.0
#: Clicks are behind when the log's end hasn't been seen for this long. Fits and second looks then wait, for so long.
_BEHIND_S = 0.5
_PATIENCE_S = 10.0
#: Fits may take this share of the time while events come; the first is due within seconds of the first event.
_SHARE_FOR_FITS = 0.1
#: What is read in a backlog, ours or intake's, is older than this when it is read: nobody gains by commits that come
#: more often than so, and fewer of them write the same people less often.
_BACKLOG_S = 4.0


class Changed(Protocol):
    """A partition that a commit would say something new about."""

    @property
    def dirty_rows(self) -> int:
        """How many rows a commit would have."""

    @property
    def newest_source_ms(self) -> int:
        """Record time of the newest event that it would be the first to hold, 0 for none."""


class Pace:
    """What happened when.

    Parameters
    ----------
    commit_interval_s : float
        Between commits, while there is something to commit.
    at_end : callable
        Says whether the end of every partition has been seen.
    """

    def __init__(self, commit_interval_s: float, at_end: Callable[[], bool]) -> None:
        self._interval_s, self._at_end = commit_interval_s, at_end
        self._committed_at = self._read_at = self._relabelled_at = self._fitted_at = self._ended_at = time.monotonic()
        self._fit_from = self._changed_at = 0.0
        self._begun = self._succeeds = self._more = False

    def has_taken_up(self, *, held: bool) -> None:
        """Note that a partition has been taken up, and whether something of it was stored."""
        self._begun = False
        self._succeeds |= held

    def has_changed(self) -> None:
        """Note the first change since the last commit."""
        self._changed_at = time.monotonic()

    def has_polled(self, records: Sequence[Record], *, spoke: bool = False) -> None:
        """Note that the log was asked, and what it had; owners who `spoke` on it have put more behind its end."""
        if records:
            self._read_at = time.monotonic()
        told = [record for record in records if record.sources]
        if told:
            self._more = max(told, key=lambda record: record.record_time_us).more
        if self._at_end() and not spoke:
            self._ended_at = time.monotonic()

    def has_committed(self, *, some: bool) -> None:
        """Note that a commit has begun, and whether it has something to say."""
        self._committed_at = time.monotonic()
        self._begun |= some
        self._succeeds &= not some

    def has_looked_again(self) -> None:
        """Note that people were looked at again for newly known content."""
        self._relabelled_at = time.monotonic()

    def has_fitted(self, began_at: float, *, settled: bool) -> None:
        """Note a fit that began at a time (`time.monotonic`)."""
        self._fitted_at = time.monotonic()
        self._fit_from = self._fitted_at + (0.0 if settled else (self._fitted_at - began_at) / _SHARE_FOR_FITS)

    @property
    def log_read(self) -> bool:
        """Whether the log's end was seen and nothing comes any more."""
        return self._quiet_for(_QUIET_BEFORE_MORE_S if self._more else _QUIET_S)

    @property
    def may_look_again(self) -> bool:
        """Whether it is time to look at people again for newly known content."""
        soon = time.monotonic() - self._relabelled_at < _RELABEL_INTERVAL_S
        return not soon and not self._may_wait(self._relabelled_at)

    @property
    def may_fit(self) -> bool:
        """Whether a fit after the first one may take its time now."""
        return not self._may_wait(self._fitted_at) and time.monotonic() >= self._fit_from

    def settled(self, vectors_quiet_s: float) -> bool:
        """Whether nothing more is coming in, neither events nor vectors."""
        return self.log_read and vectors_quiet_s > _RELABEL_INTERVAL_S

    def commit_due(self, changed: Sequence[Changed], *, on_its_way: bool) -> bool:
        """Whether what has changed is to be committed now; `on_its_way`: the commit before isn't safe yet."""
        if max((partition.dirty_rows for partition in changed), default=0) >= _MAX_DIRTY_ROWS:
            return True
        if on_its_way or not changed:
            return False
        backlog = _age_s(changed) > _BACKLOG_S
        if not self._begun and (self._succeeds or not backlog):  # whoever comes shows at once that they are there
            return True
        interval_s = max(self._interval_s, _BACKLOG_S) if backlog else self._interval_s
        waited_s = time.monotonic() - max(self._committed_at, self._changed_at)
        pauses = self._quiet_for(_PAUSE_S) and not (backlog and self._more)  # or the backlog's end has come
        return waited_s >= interval_s or self.log_read or (pauses and waited_s >= self._interval_s / 2)

    @property
    def _behind(self) -> bool:
        return time.monotonic() - self._ended_at > _BEHIND_S

    def _quiet_for(self, seconds: float) -> bool:
        return time.monotonic() - self._read_at >= seconds and self._at_end()

    def _may_wait(self, since: float) -> bool:
        """Whether work that isn't urgent may wait: clicks are behind, and it was done not long ago."""
        return self._behind and time.monotonic() - since < _PATIENCE_S


def _age_s(changed: Sequence[Changed]) -> float:
    """Return how old the newest event is that was read since the last commit, 0 for none."""
    newest_ms = max((partition.newest_source_ms for partition in changed), default=0)
    return time.time() - newest_ms / 1000 if newest_ms else 0.0
