"""`userprism shifts` and `userprism silences`."""

from __future__ import annotations

import click

from streams.cli.options import Shared, pass_shared, shared
from streams.commands import shifts as does
from streams.embedded.signals import stop_on_signals
from streams.replay.again import since_of

__all__ = ["shifts", "silences"]


@click.group()
@shared
def shifts() -> None:
    """Shifts of segments: what would have been told of."""


@shifts.command("backtest")
@shared
@click.option("--segmentation", default="", help="By name; the first one if none is given.")
@click.option("--since", default="28d", show_default=True, help="A duration back from now, or a moment (ISO 8601).")
@click.option("--false-alarm-every", help="Another expected time between false alarms, e.g. 90d.")
@click.option("--floor", type=click.FloatRange(0.0, 1.0), help="Another total variation below which nobody would act.")
@pass_shared
def backtest(
    options: Shared, segmentation: str, since: str, false_alarm_every: str | None, floor: float | None
) -> None:
    """Judge the stored history again with other knobs; nothing is written, nobody is told."""
    given = {"false_alarm_every": false_alarm_every, "floor": floor}
    knobs = {name: value for name, value in given.items() if value is not None}
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        found = does.backtest(settings, segmentation, since_of(since), knobs)
    options.answer(found, does.backtest_text(found))


@click.group()
@shared
def silences() -> None:
    """Hold alerts back from webhooks for a while; table and topic have them all the same."""


@silences.command("add")
@shared
@click.argument("matchers", nargs=-1, required=True, metavar="LABEL=VALUE...")
@click.option("--duration", default="1h", show_default=True, help="How long, from now on.")
@click.option("--comment", default="", help="Why, for whoever finds it.")
@pass_shared
def add(options: Shared, matchers: tuple[str, ...], duration: str, comment: str) -> None:
    """Silence alerts that have all these labels (alertname, segmentation, segment, severity)."""
    wanted = does.matchers_of(matchers)
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        made = does.add_silence(settings, wanted, duration, comment)
    options.answer(made, f"{made['id']} until {made['ends_at'][:19]} UTC")


@silences.command("list")
@shared
@click.option("--expired", is_flag=True, help="Also those that are over.")
@pass_shared
def list_(options: Shared, expired: bool) -> None:
    """Show the silences that hold."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        found = does.listed_silences(settings, ended=expired)
    options.answer({"silences": found}, does.listed_silences_text(found))


@silences.command("expire")
@shared
@click.argument("silence_id", metavar="ID")
@pass_shared
def expire(options: Shared, silence_id: str) -> None:
    """End a silence now."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        done = does.end_silence(settings, silence_id)
    options.answer(done, f"{silence_id} has ended; what still fires is sent within seconds")
