"""The program `userprism`. Each command says what it does; what it does is elsewhere."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console

from streams import commands
from streams.demo import run_demo
from streams.demo.run import Interrupted
from streams.embedded.signals import stop_on_signals
from streams.embedded.supervisor import Supervisor
from streams.errors import AlreadyRunningError, ConfigurationError, UserprismError
from streams.replay.again import since_of
from streams.roles import encoder as encoder_role
from streams.roles import intake as intake_role
from streams.roles import profiler as profiler_role
from streams.settings import Settings, load_settings
from streams.storage.dead_letters import Selection
from streams.telemetry import configure_logging

__all__ = ["main"]

F = TypeVar("F", bound=Callable[..., Any])
_err = Console(stderr=True, highlight=False)


class Shared:
    """What every command knows: where settings come from, and how to answer."""

    def __init__(self) -> None:
        self.config: str | None = None
        self.data_dir: str | None = None
        self.embedded = False
        self.json = False

    def settings(self, **overrides: Any) -> Settings:
        """Load the settings."""
        if self.data_dir:
            overrides = {"data_dir": self.data_dir, **overrides}
        return load_settings(self.config, overrides=overrides)

    def role_args(self, data_dir: Path) -> list[str]:
        """Return the options that a child of ours needs."""
        return ["--data-dir", str(data_dir), *(["--config", str(Path(self.config).absolute())] if self.config else [])]

    @contextmanager
    def stack(
        self, stop: threading.Event, *, broker: bool = True, roles: bool = False
    ) -> Iterator[tuple[Settings, Supervisor | None]]:
        """Give settings whose broker and ClickHouse answer: those configured, or with `--embedded` our own."""
        settings = self.settings()
        if not self.embedded:
            yield settings, None
            return
        try:
            with Supervisor(settings, role_args=self.role_args(settings.data), broker=broker, stop=stop) as stack:
                if roles:
                    stack.start_roles()
                    stack.wait_ready()
                yield stack.settings, stack
        except AlreadyRunningError:
            if not settings.stack_file.exists():
                raise
            yield self.settings(), None  # it is up already: use it

    def answer(self, fields: Any, text: str) -> None:
        """Print the result: one JSON object, or text for people."""
        click.echo(msgspec.json.encode(fields).decode() if self.json else text)


def shared(command: F) -> F:
    """Add the options that work on every command, before or after its name."""

    def keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
        def callback(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
            if value:
                setattr(context.ensure_object(Shared), name, value)

        return callback

    for option in (
        click.option(
            "--config", type=click.Path(), expose_value=False, callback=keep("config"), help="userprism.toml to read."
        ),
        click.option(
            "--data-dir", type=click.Path(), expose_value=False, callback=keep("data_dir"), help="Default: .userprism"
        ),
        click.option(
            "--embedded",
            is_flag=True,
            expose_value=False,
            callback=keep("embedded"),
            help="Start the embedded stack around it.",
        ),
        click.option(
            "--json", is_flag=True, expose_value=False, callback=keep("json"), help="One JSON object as the last line."
        ),
    ):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@shared
@click.version_option(package_name="userprism")
def cli() -> None:
    """Live user segments from a clickstream: Kafka in, ClickHouse out, exactly once."""


pass_shared = click.make_pass_decorator(Shared, ensure=True)


@cli.command()
@shared
@pass_shared
def up(options: Shared) -> None:
    """Run the embedded stack until Ctrl-C."""
    settings = options.settings()
    with (
        stop_on_signals() as stop,
        Supervisor(settings, role_args=options.role_args(settings.data), stop=stop) as stack,
    ):
        stack.start_roles()
        if stack.wait_ready():
            _err.print(commands.addresses(stack.settings))
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
            say=_err.print,
            stay=(lambda stack: commands.keep_shop_open(stack, seed + 2, stop, _err.print)) if stay else None,
        )
    options.answer(summary, commands.demo_text(summary, settings))


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


@cli.command()
@shared
@pass_shared
def init(options: Shared) -> None:
    """Create topics and the ClickHouse schema; running it again changes nothing."""
    with stop_on_signals() as stop, options.stack(stop) as (settings, _):
        applied = commands.init(settings)
    options.answer({"applied": applied}, f"applied: {', '.join(applied) or 'nothing, all there'}")


@cli.command()
@shared
@click.option("--events", default=200_000, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--seed", default=7, show_default=True, help="Of the simulated shop.")
@click.option("--to", "target", default="kafka", show_default=True, help="kafka, or an NDJSON file.")
@click.option("--truth", type=click.Path(path_type=Path), help="Write what a summary must say to this file.")
@pass_shared
def generate(options: Shared, events: int, seed: int, target: str, truth: Path | None) -> None:
    """Make a clickstream with planted personas, English and Chinese titles."""
    with stop_on_signals() as stop:
        if target == "kafka":
            with options.stack(stop) as (settings, _):
                counts = commands.generate_to_kafka(settings, events, seed, truth, stop)
        else:
            counts = commands.generate_to_file(Path(target), events, seed, truth)
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
        summary = commands.replay(
            settings, stack, list(files), mapping, once=once, speed=speed, stop=stop, say=_err.print
        )
    options.answer(summary, commands.summary_text(summary))


@cli.group(name="dead-letters")
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
        found = commands.dead_letters(settings, Selection(reasons, since_of(since)), limit)
    options.answer(found, commands.dead_letters_text(found))


@dead_letters.command(name="replay")
@shared
@_selection
@click.option("--rate", default=0.0, help="Events a second; 0 is as fast as it goes.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@pass_shared
def replay_dead_letters(options: Shared, reasons: tuple[str, ...], since: str, rate: float, dry_run: bool) -> None:
    """Send refused events again, each once; what is refused again is a new dead letter."""
    with stop_on_signals() as stop, options.stack(stop) as (settings, _):
        done = commands.replay_dead_letters(
            settings, Selection(reasons, since_of(since)), rate=rate, dry_run=dry_run, stop=stop, say=_err.print
        )
    options.answer(done, f"{done['letters']:,} dead letters {'would be sent' if dry_run else 'were sent'} again")


@cli.command()
@shared
@click.argument("query")
@click.option("--format", "form", default="PrettyCompact", show_default=True, help="Any ClickHouse output format.")
@pass_shared
def sql(options: Shared, query: str, form: str) -> None:
    """Ask ClickHouse; reading only."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        click.echo(commands.sql(settings, query, "JSON" if options.json else form), nl=False)


@cli.command()
@shared
@pass_shared
def status(options: Shared) -> None:
    """Say which roles run and how far they are."""
    found = commands.status(options.settings())
    options.answer(found, commands.status_text(found))
    if not found["roles"]:
        sys.exit(1)


@cli.command()
@shared
@pass_shared
def doctor(options: Shared) -> None:
    """Check the environment, and what broker and ClickHouse must be able to do."""
    with stop_on_signals() as stop, options.stack(stop) as (settings, _):
        checks = commands.doctor(settings)
    options.answer({"checks": checks}, commands.doctor_text(checks))
    if not all(check["ok"] for check in checks):
        sys.exit(1)


@cli.command()
@shared
@click.argument("profile_id")
@pass_shared
def profile(options: Shared, profile_id: str) -> None:
    """Show one person."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        found = commands.profile(settings, profile_id)
    options.answer(found, json.dumps(found, indent=2, ensure_ascii=False, default=str))


@cli.command()
@shared
@pass_shared
def segments(options: Shared) -> None:
    """Show each segment: its size, and the categories and traits that set it apart."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        cards = commands.segments(settings)
    options.answer({"segments": [asdict(card) for card in cards]}, commands.segments_text(cards))


@cli.command()
@shared
@click.argument("name", default="pipeline")
@click.option("--quick", is_flag=True, help="A smaller set, for a look rather than a figure.")
@pass_shared
def bench(options: Shared, name: str, quick: bool) -> None:
    """Run a benchmark of tests/bench (from a checkout)."""
    sys.exit(commands.bench(name, quick=quick, as_json=options.json))


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
        _err.print("stopped before the end; run the same command again to go on")
        sys.exit(130)
    except ConfigurationError as error:
        _err.print(f"userprism: {error}", markup=False)
        sys.exit(2)
    except UserprismError as error:
        _err.print(f"userprism: {error}", markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
