"""The program `userprism`. Each command says what it does; what it does is elsewhere."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click
import msgspec

from streams.cli.dead_letters import dead_letters
from streams.cli.encoders import encoders
from streams.cli.models import models
from streams.cli.options import Shared, err, pass_shared, shared
from streams.cli.shifts import shifts, silences
from streams.cli.tokens import tokens
from streams.commands import benches, erasing, identity, looking, sending
from streams.demo import run_demo
from streams.demo.run import Interrupted
from streams.embedded.signals import stop_on_signals
from streams.embedded.supervisor import Supervisor
from streams.errors import ConfigurationError, UserprismError
from streams.roles import control as control_role
from streams.roles import encoder as encoder_role
from streams.roles import intake as intake_role
from streams.roles import profiler as profiler_role
from streams.roles import web as web_role
from streams.serving.doctor import examine
from streams.settings import Settings
from streams.storage.schema import initialise
from streams.telemetry import configure_logging

__all__ = ["cli", "main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@shared
@click.version_option(package_name="userprism")
def cli() -> None:
    """Live user segments from a clickstream: Kafka in, ClickHouse out, exactly once."""


@cli.command()
@shared
@click.option("--profilers", default=1, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--intakes", default=1, show_default=True, type=click.IntRange(1), help="How many.")
@pass_shared
def up(options: Shared, profilers: int, intakes: int) -> None:
    """Run the embedded stack until Ctrl-C."""
    settings = options.settings()
    if max(profilers, intakes) > settings.kafka.partitions:
        msg = f"kafka.partitions = {settings.kafka.partitions}: more processes of a role would have nothing to do"
        raise click.UsageError(msg)
    counts = {"profiler": profilers, "intake": intakes}
    with (
        stop_on_signals() as stop,
        Supervisor(
            settings, counts=counts, role_args=options.role_args(settings.data), spares=True, stop=stop
        ) as stack,
    ):
        stack.start_roles()
        if stack.wait_ready():
            err.print(sending.addresses(stack.settings))
        stack.watch()


@cli.command()
@shared
@click.option("--events", default=200_000, show_default=True, type=click.IntRange(1_000), help="How many.")
@click.option("--seed", default=7, show_default=True, help="Of the simulated shop.")
@click.option("--stay", is_flag=True, help="Keep stack and shop up until Ctrl-C.")
@pass_shared
def demo(options: Shared, events: int, seed: int, stay: bool) -> None:
    """Show the segments of a simulated shop live, then the summary."""
    base = options.settings()
    settings = msgspec.structs.replace(base, data_dir=str(base.data / "demo"))
    with stop_on_signals() as stop:
        summary = run_demo(
            settings,
            events,
            seed=seed,
            role_args=options.role_args(settings.data),
            stop=stop,
            say=err.print,
            stay=(lambda stack: sending.keep_shop_open(stack, seed + 2, stop, err.print)) if stay else None,
        )
    options.answer(summary, sending.demo_text(summary, settings))


def _role(name: str, run: Callable[[Settings, threading.Event], None], text: str) -> None:
    @cli.command(name=name, help=text)
    @shared
    @pass_shared
    def command(options: Shared) -> None:
        configure_logging(name)
        with stop_on_signals() as stop, options.stack(stop) as (settings, _):
            run(settings, stop)


_role("intake", intake_role.run, "Raw events to blocks keyed by person.")
_role("encoder", encoder_role.run, "Content to vectors.")
_role("profiler", profiler_role.run, "Blocks to profiles and segments in ClickHouse.")
_role("control", control_role.run, "Coordination: a Faust app (`faust -A streams.roles.control worker` is the same).")

_role("web", web_role.run, "The page and the API (http://127.0.0.1:8642).")


@cli.command()
@shared
@pass_shared
def init(options: Shared) -> None:
    """Create topics and the ClickHouse schema; running it again changes nothing."""
    with stop_on_signals() as stop, options.stack(stop) as (settings, _):
        applied = initialise(settings)
    options.answer({"applied": applied}, f"applied: {', '.join(applied) or 'nothing, all there'}")


@cli.command()
@shared
@click.option("--events", default=200_000, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--seed", default=7, show_default=True, help="Of the simulated shop.")
@click.option("--to", "target", default="kafka", show_default=True, help="kafka, or an NDJSON file.")
@click.option("--truth", type=click.Path(path_type=Path), help="Write what a summary must say to this file.")
@click.option(
    "--days", type=click.IntRange(1, 400), help="So many days with seasons and weekends, instead of --events."
)
@click.option("--per-hour", default=1_000, show_default=True, type=click.IntRange(10), help="People; with --days.")
@click.option(
    "--shift", "shifts", multiple=True, help='"sports+10% at 2h", also with "over 1d", "for 12h"; with --days.'
)
@pass_shared
def generate(  # noqa: PLR0917 - click passes by name
    options: Shared, events: int, seed: int, target: str, truth: Path | None, days: int | None, per_hour: int,
    shifts: tuple[str, ...],
) -> None:  # fmt: skip
    """Make a clickstream with planted personas, English and Chinese titles.

    With --days or --shift (14 days then) it is weeks of it in the order of time, ended now, as fast as they can be
    made: people come by day and by weekday, in visits, and --shift moves who comes. Times count from the first hour.
    """
    if days or shifts:
        weeks = sending.weeks(seed, days or 14, per_hour, shifts)
        with stop_on_signals() as stop:
            if target == "kafka":
                with options.stack(stop) as (settings, _):
                    counts = sending.weeks_to_kafka(settings, weeks, truth, stop)
            else:
                counts = sending.weeks_to_file(Path(target), weeks, truth)
        options.answer(counts, f"{counts['events']:,} events of {days or 14} days to {target}")
        return
    with stop_on_signals() as stop:
        if target == "kafka":
            with options.stack(stop) as (settings, _):
                counts = sending.generate_to_kafka(settings, events, seed, truth, stop)
        else:
            counts = sending.generate_to_file(Path(target), events, seed, truth)
    options.answer(counts, f"{events:,} events to {target}")


@cli.command()
@shared
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--mapping", default="segment", show_default=True, help="A built-in mapping, or a TOML file.")
@click.option("--once", is_flag=True, help="Wait until all of it is in ClickHouse, then print the summary.")
@click.option(
    "--speed",
    default="max",
    show_default=True,
    help="1x is the pace of the events' own times, 60x a minute a second; max is as fast as it goes.",
)
@pass_shared
def replay(options: Shared, files: tuple[Path, ...], mapping: str, once: bool, speed: str) -> None:
    """Send files (NDJSON, CSV, TSV, Parquet) as events; the same command again goes on where it stopped."""
    with stop_on_signals() as stop, options.stack(stop) as (settings, stack):
        summary = sending.replay(
            settings, stack, list(files), mapping, once=once, speed=speed, stop=stop, say=err.print
        )
    options.answer(summary, sending.summary_text(summary))


@cli.command()
@shared
@click.argument("query")
@click.option("--format", "form", default="PrettyCompact", show_default=True, help="Any ClickHouse output format.")
@pass_shared
def sql(options: Shared, query: str, form: str) -> None:
    """Ask ClickHouse; reading only."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        click.echo(looking.sql(settings, query, "JSON" if options.json else form), nl=False)


@cli.command()
@shared
@pass_shared
def status(options: Shared) -> None:
    """Say which roles run and how far they are."""
    found = looking.status(options.settings())
    options.answer(found, looking.status_text(found))
    if not found["roles"]:
        sys.exit(1)


@cli.command()
@shared
@pass_shared
def doctor(options: Shared) -> None:
    """Check the environment, and what broker and ClickHouse must be able to do."""
    with stop_on_signals() as stop, options.stack(stop) as (settings, _):
        checks = examine(settings)
    options.answer({"checks": checks}, looking.doctor_text(checks))
    if not all(check["ok"] for check in checks):
        sys.exit(1)


@cli.command()
@shared
@click.argument("profile_id")
@pass_shared
def profile(options: Shared, profile_id: str) -> None:
    """Show one person, by any of their ids, and how the ids came together."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        found = looking.profile(settings, profile_id)
    options.answer(found, json.dumps(found, indent=2, ensure_ascii=False, default=str))


@cli.command()
@shared
@click.argument("profile_id")
@click.option("--undo", is_flag=True, help="Take back what it brought as well, as far as that can be told apart.")
@pass_shared
def split(options: Shared, profile_id: str, undo: bool) -> None:
    """Make an anonymous id (anon:...) a person of its own from now on; its user never gets it again.

    Of a userId it is the id that was merged last. What it did before stays with the user. With --undo its counts, sums,
    averages and decayed activity of before the merge go back to it; the user's sessions, first and last times, traits
    and touches stay as they are, and so does what came since the merge.
    """
    with stop_on_signals() as stop, options.stack(stop) as (settings, _):
        done = identity.split(settings, profile_id, undo=undo)
    options.answer(done, identity.split_text(done))


@cli.command()
@shared
@click.argument("profile_id")
@click.option("--suppress", is_flag=True, help="Drop later events of this id too.")
@pass_shared
def erase(options: Shared, profile_id: str, suppress: bool) -> None:
    """Erase a person, and the anonymous ids that are part of it; topics forget with their retention."""
    with stop_on_signals() as stop, options.stack(stop, roles=True) as (settings, _):
        done = erasing.erase(settings, profile_id, suppress=suppress, say=err.print)
    options.answer(done, "\n".join(f"{name:18} {value}" for name, value in done.items()))


@cli.command()
@shared
@pass_shared
def erasures(options: Shared) -> None:
    """Show how erasures stand, and end those whose topics have forgotten."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        found = erasing.erasures(settings)
    options.answer({"erasures": found}, erasing.erasures_text(found))


@cli.command()
@shared
@click.option("--segmentation", default="", help="Name of a [[segmentation]]; the first one if none is given.")
@pass_shared
def segments(options: Shared, segmentation: str) -> None:
    """Show each segment: its size, and the categories and traits that set it apart."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        cards = looking.segments(settings, segmentation)
    options.answer({"segments": [asdict(card) for card in cards]}, looking.segments_text(cards))


@cli.command()
@shared
@click.argument("name", default="pipeline")
@click.option("--quick", is_flag=True, help="A smaller set, for a look rather than a figure.")
@pass_shared
def bench(options: Shared, name: str, quick: bool) -> None:
    """Run a benchmark of tests/bench (from a checkout)."""
    sys.exit(benches.bench(name, quick=quick, as_json=options.json))


cli.add_command(dead_letters)
cli.add_command(encoders)
cli.add_command(models)
cli.add_command(shifts)
cli.add_command(silences)
cli.add_command(tokens)


def main() -> None:
    """Run the program; errors of ours are one message and an exit code, never a traceback."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, Interrupted, KeyboardInterrupt):
        err.print("stopped before the end; run the same command again to go on")
        sys.exit(130)
    except ConfigurationError as error:
        err.print(f"userprism: {error}", markup=False)
        sys.exit(2)
    except UserprismError as error:
        err.print(f"userprism: {error}", markup=False)
        sys.exit(1)
