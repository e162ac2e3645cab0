"""What one watches while events go down the road: a table on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from clickhouse_connect.driver.exceptions import ClickHouseError
from rich.console import Console
from rich.live import Live as RichLive
from rich.table import Table

from streams.serving.arrival import Lag
from streams.serving.segments import SegmentCard, segment_cards
from streams.settings import Settings
from streams.storage.client import connect
from streams.telemetry import instances, read_statuses

__all__ = ["Live"]

#: Looking at the segments may take this share of the time: with more people the picture changes less often.
_SHARE_FOR_CARDS = 0.05
#: While events are on the road the picture changes only this often: who asks takes the time of those who answer.
_CARDS_LATEST_S = 3.0
_LINE_EVERY_S = 2.0


class Live:
    """A live table of segments on stderr.

    Parameters
    ----------
    settings : Settings
        Where ClickHouse is, and where roles leave their status.
    title : str
        Said above the table.
    total : int
        Events that are expected; gives the ETA.
    """

    def __init__(self, settings: Settings, title: str, total: int) -> None:
        self._settings = settings
        self._title = title
        self._total = total
        self._console = Console(stderr=True)
        self._live = (
            RichLive(console=self._console, refresh_per_second=4, transient=False)
            if self._console.is_terminal
            else None
        )
        self._client = connect(settings)
        self._cards: list[SegmentCard] = []
        self._ask_from = self._told_at = 0.0
        self._asked_at = time.monotonic()
        self._seen: list[tuple[float, int]] = []

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing."""
        if self._live is not None:
            self._live.stop()
        self._client.close()

    def update(self, lag: Lag) -> None:
        """Draw what is known now."""
        now = time.monotonic()
        profilers = instances(read_statuses(self._settings.run_dir), self._settings.profiler.instance_id)
        accepted = sum(int(profiler.get("accepted", 0)) for profiler in profilers)
        self._seen = [*[entry for entry in self._seen if now - entry[0] < 3.0], (now, accepted)]
        waits = (lag.intake or lag.profiler) and now < self._asked_at + _CARDS_LATEST_S
        if now > self._ask_from and not waits:
            self._asked_at = now
            try:
                self._cards = segment_cards(self._client)
            except (ClickHouseError, OSError):
                self._cards = []
            asked_s = time.monotonic() - now
            self._ask_from = time.monotonic() + max(1.0, asked_s / _SHARE_FOR_CARDS)
        caption = self._caption(accepted, lag, sum(int(profiler.get("people", 0)) for profiler in profilers))
        if self._live is not None:
            self._live.update(self._table(caption))
        elif now - self._told_at > _LINE_EVERY_S:
            self._told_at = now
            self._console.print(f"{self._title}: {caption}", highlight=False, soft_wrap=True)

    def _caption(self, accepted: int, lag: Lag, people: int) -> str:
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        rate = (after - before) / (last - first) if last > first else 0.0
        left = max(self._total - accepted, 0)
        eta = f", ETA {left / rate:,.0f} s" if rate > 1 and left else ""
        return (
            f"{accepted:,} of {self._total:,} events in, {people:,} people, {len(self._cards)} segments, "
            f"{rate:,.0f} events/s, lag {lag.intake:,} + {lag.profiler:,} blocks, {lag.vectors:,} vectors to come{eta}"
        )

    def _table(self, caption: str) -> Table:
        table = Table(title=self._title, caption=caption, expand=False)
        for name, justify in (
            ("segment", "right"),
            ("people", "right"),
            ("share", "left"),
            ("what sets it apart", "left"),
        ):
            table.add_column(name, justify="right" if justify == "right" else "left")
        everybody = sum(card.people for card in self._cards) or 1
        for card in self._cards:
            share = card.people / everybody
            said = [f"{name} ×{lift:.1f}" for name, lift in (*card.categories[:2], *card.actions[:2], *card.traits[:1])]
            table.add_row(str(card.segment), f"{card.people:,}", "█" * max(1, round(30 * share)), ", ".join(said))
        return table
