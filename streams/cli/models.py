"""`userprism models`."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import Progress, TaskID

from streams.cli.options import Shared, err, pass_shared, shared
from streams.commands import choosing_k, showing_models, trained_models, training
from streams.embedded.signals import stop_on_signals

__all__ = ["models"]

#: Other ways to write a kind.
_KINDS = {"mult-dae": "multdae"}


@click.group()
@shared
def models() -> None:
    """Train models of behaviour, go back to earlier ones, and show those of segments."""


@models.command()
@shared
@click.argument("kind", type=click.Choice([*training.KINDS, *_KINDS]))
@click.option(
    "--from", "source", type=click.Path(path_type=Path), help="A file with a row a touch; default: ClickHouse."
)
@click.option("--user", default="user", show_default=True, help="Column of the person.")
@click.option("--item", default="item", show_default=True, help="Column of the item: its product_id or the like.")
@click.option("--weight", default="", help="Column of how much; default: each row counts 1.")
@click.option("--seed", default=0, show_default=True, help="Of the training.")
@click.option("--dry-run", is_flag=True, help="Train and install, but leave running profilers as they are.")
@pass_shared
def train(
    options: Shared, *, kind: str, source: Path | None, user: str, item: str, weight: str, seed: int, dry_run: bool
) -> None:
    """Train item2vec, node2vec, Mult-DAE, or a GAN beside a mixture of Gaussians; profilers take it as they run."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _), Progress(console=err) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(what: str, share: float) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=1.0)
            bar.update(tasks[what], completed=share)

        done = training.train_model(
            settings, _KINDS.get(kind, kind), source, (user, item, weight), seed=seed, activate=not dry_run,
            say=bar.console.print, tell=tell,
        )  # fmt: skip
    options.answer(done, training.train_text(done))


@models.command()
@shared
@click.option("--segmentation", default="", help="One of those declared; default: all.")
@click.option("--most", default=5, show_default=True, type=click.IntRange(1), help="Features of each centre.")
@pass_shared
def show(options: Shared, segmentation: str, most: int) -> None:
    """Show each segmentation's newest model: quality, sizes, and its centres as lift against the mean."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        found = showing_models.show_models(settings, segmentation, most=most)
    options.answer(found, showing_models.models_text(found))


@models.command(name="choose-k")
@shared
@click.option("--segmentation", default="", help="Whose people; default: the first one declared.")
@click.option(
    "--from", "source", type=click.Path(path_type=Path), help="CSV, TSV, NDJSON or Parquet instead of ClickHouse."
)
@click.option("--column", "columns", multiple=True, help="A column of that file; default: all that are numbers.")
@click.option("--least", default=2, show_default=True, type=click.IntRange(1), help="Segments, at least.")
@click.option("--to", "greatest", default=20, show_default=True, type=click.IntRange(1), help="Segments, at most.")
@click.option("--most", default=5_000, show_default=True, type=click.IntRange(3), help="People or rows looked at.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="An SVG file that shows both curves.")
@click.option("--seed", default=0, show_default=True, help="Of the fits.")
@pass_shared
def advise_k(
    options: Shared, *, segmentation: str, source: Path | None, columns: tuple[str, ...], least: int, greatest: int,
    most: int, plot: Path | None, seed: int,
) -> None:  # fmt: skip
    """Advise how many segments: simplified silhouette and BIC side by side; nothing is changed."""
    if least > greatest:
        msg = f"--least {least} is above --to {greatest}"
        raise click.UsageError(msg)
    if source is None and columns:
        msg = "--column names columns of a file: give --from FILE with it"
        raise click.UsageError(msg)
    if source is not None:
        sample = choosing_k.vectors_of_file(source, columns, most=most, seed=seed)
    else:
        with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
            sample = choosing_k.vectors_of_people(settings, segmentation, most=most)
    ks = range(least, greatest + 1)
    with Progress(console=err) as bar:
        task = bar.add_task("numbers of segments", total=sum(ks))  # a fit costs as much as it has centres
        advice = choosing_k.advise(sample, ks, seed=seed, tell=lambda choice: bar.advance(task, choice.k))
    if plot is not None:
        choosing_k.plot_advice(advice, plot)
    options.answer(choosing_k.advice_fields(sample, advice, plot), choosing_k.advice_text(sample, advice, plot))


@models.command(name="list")
@shared
@pass_shared
def list_models(options: Shared) -> None:
    """Show which models of behaviour were given to the profilers, newest first, and which count now."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        found = trained_models.given_models(settings)
    options.answer({"models": found}, trained_models.list_text(found))


@models.command()
@shared
@click.option("--anomaly", is_flag=True, help="The score of unusual people; default: the model of baskets.")
@click.option("--to", default=0, type=click.IntRange(0), help="A version of `models list`; default: the one before.")
@click.option("--wait", is_flag=True, help="Wait until the profilers on this machine use it.")
@pass_shared
def rollback(options: Shared, *, anomaly: bool, to: int, wait: bool) -> None:
    """Go back to the model of behaviour that counted before, or to none when there was none."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        done = trained_models.roll_back_model(settings, anomaly=anomaly, to=to, wait=wait, stop=stop, say=err.print)
    options.answer(done, trained_models.rollback_text(done))
