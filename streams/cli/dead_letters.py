"""`userprism dead-letters`."""

from __future__ import annotations

import click

from streams.cli.options import F, Shared, err, pass_shared, shared
from streams.commands import dead_letters as letters
from streams.embedded.signals import stop_on_signals
from streams.replay.again import since_of
from streams.storage.dead_letters import Selection

__all__ = ["dead_letters"]


@click.group(name="dead-letters")
@shared
def dead_letters() -> None:
    """List what was refused, or send it again."""


def _selection(command: F) -> F:
    """Add the options that say which letters are meant."""
    for option in (
        click.option("--reason", "reasons", multiple=True, help="Only this reason; may be given several times."),
        click.option("--since", default="", help="A duration back from now (2h), or a moment (ISO 8601)."),
    ):
        command = option(command)
    return command


@dead_letters.command(name="list")
@shared
@_selection
@click.option("--limit", default=20, show_default=True, type=click.IntRange(0, 10_000), help="Newest letters to show.")
@pass_shared
def list_dead_letters(options: Shared, reasons: tuple[str, ...], since: str, limit: int) -> None:
    """Count dead letters by reason and show the newest."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        found = letters.dead_letters(settings, Selection(reasons, since_of(since)), limit)
    options.answer(found, letters.dead_letters_text(found))


@dead_letters.command(name="replay")
@shared
@_selection
@click.option("--rate", default=0.0, help="Events a second; 0 is as fast as it goes.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@pass_shared
def replay_dead_letters(options: Shared, reasons: tuple[str, ...], since: str, rate: float, dry_run: bool) -> None:
    """Send refused events again, each once; what is refused again is a new dead letter."""
    with stop_on_signals() as stop, options.stack(stop) as (settings, _):
        done = letters.replay_dead_letters(
            settings, Selection(reasons, since_of(since)), rate=rate, dry_run=dry_run, stop=stop, say=err.print
        )
    options.answer(done, f"{done['letters']:,} dead letters {'would be sent' if dry_run else 'were sent'} again")
