"""How many segments? Silhouette and BIC of people, or of a file, side by side; advice, never a decision."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from online_models import Advice, Choice, NotFiniteError, StandardScaler, choose_k
from streams.commands._plots import Curve, draw_curves
from streams.commands._tables import read_table
from streams.errors import InputError
from streams.settings import Settings
from streams.storage.client import connect
from streams.web.read.places import points_of_people

__all__ = ["Sample", "advice_fields", "advice_text", "advise", "plot_advice", "vectors_of_file", "vectors_of_people"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sample:
    """Vectors (n, d) that segments are to be found in, and where they are from."""

    vectors: Floats
    source: str


def vectors_of_people(settings: Settings, segmentation: str, *, most: int) -> Sample:
    """Return a sample of people as the newest model of a segmentation sees them: scaled and weighted.

    Raises
    ------
    InputError
        No such segmentation, it isn't k-means, or it has no model yet.
    """
    names = [one.name for one in settings.segmentations]
    if segmentation and segmentation not in names:
        msg = f"no segmentation {segmentation!r}; there are {names}. They are declared as [[segmentation]]"
        raise InputError(msg)
    name = segmentation or names[0]
    model = next(one.model for one in settings.segmentations if one.name == name)
    if model != "kmeans":
        msg = f"segmentation {name!r} is a {model}, which isn't told how many segments to find; choose-k is for kmeans"
        raise InputError(msg)
    with connect(settings, reader=True) as client:
        found = points_of_people(client, settings, name, people=most)
    if found is None:
        msg = f"segmentation {name!r} has no model yet, so nobody has a place; let profilers run, or give --from FILE"
        raise InputError(msg)
    version, vectors = found
    return Sample(vectors, f"{len(vectors):,} people of {name!r} as its model of version {version} sees them")


def vectors_of_file(source: Path, columns: Sequence[str], *, most: int, seed: int) -> Sample:
    """Return the rows of a CSV, TSV, NDJSON or Parquet file, standardised; a sample where there are more than `most`.

    Parameters
    ----------
    source
        The file.
    columns
        Those to use; none: every column of numbers.
    most
        Rows at most.
    seed
        Of the draw.

    Raises
    ------
    InputError
        It can't be read, has no such column or no numbers, or a value is missing or not finite.
    """
    table = read_table(source)
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        msg = f"{source} has no column {missing[0]!r}; it has {', '.join(table.column_names)}"
        raise InputError(msg)
    chosen = list(columns) or [field.name for field in table.schema if _is_number(field.type)]
    words = [name for name in chosen if not _is_number(table.schema.field(name).type)]
    if words or not chosen:
        msg = f"{source}: column {words[0]!r} isn't numbers" if words else f"{source} has no column of numbers"
        raise InputError(msg)
    rows = np.arange(table.num_rows)
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    taken = table.select(chosen).take(pa.array(rows))
    holes = [name for name in chosen if taken.column(name).null_count]
    if holes:
        msg = f"{source}: column {holes[0]!r} has {taken.column(holes[0]).null_count} values missing; fill or drop them"
        raise InputError(msg)
    columns_of = [taken.column(name).cast(pa.float64()).to_numpy() for name in chosen]
    raw = np.column_stack(columns_of)
    scaler = StandardScaler()
    try:
        scaler.learn_many(raw)
        vectors = np.asarray(scaler.transform_many(raw), np.float64)
    except NotFiniteError as error:
        msg = f"{source}: {error}"
        raise InputError(msg) from error
    return Sample(vectors, f"{len(raw):,} rows of {source.name}, {len(chosen)} columns, standardised")


def advise(sample: Sample, ks: Sequence[int], *, seed: int, tell: Callable[[Choice], None]) -> Advice:
    """Fit each number of segments.

    Raises
    ------
    InputError
        There are too few vectors for the largest.
    """
    if len(sample.vectors) <= max(ks):
        msg = f"{sample.source}: too few to look for up to {max(ks)} segments in; give a smaller --to"
        raise InputError(msg)
    return choose_k(sample.vectors, ks, seed, tell)


def plot_advice(advice: Advice, path: Path) -> None:
    """Draw both curves, one above the other, into an SVG file.

    Raises
    ------
    InputError
        It can't be written.
    """
    ks = [choice.k for choice in advice.table]
    drawing = draw_curves(
        "segments",
        [
            Curve("silhouette (higher is better)", ks, [c.silhouette for c in advice.table], advice.by_silhouette),
            Curve("BIC (lower is better)", ks, [c.bic for c in advice.table], advice.by_bic),
        ],
    )
    try:
        path.write_text(drawing, encoding="utf-8")
    except OSError as error:
        msg = f"{path} can't be written: {error.strerror}"
        raise InputError(msg) from error


def advice_fields(sample: Sample, advice: Advice, plot: Path | None) -> dict[str, Any]:
    """Return what `--json` prints; what has no value is null."""
    table = [
        {name: value if math.isfinite(value) else None for name, value in asdict(choice).items()}
        for choice in advice.table
    ]
    return {
        "source": sample.source, "vectors": len(sample.vectors), "dimensions": sample.vectors.shape[1],
        "by_silhouette": advice.by_silhouette, "by_bic": advice.by_bic, "plot": str(plot) if plot else None,
        "table": table,
    }  # fmt: skip


def advice_text(sample: Sample, advice: Advice, plot: Path | None) -> str:
    """Show the table and what each of the two would take."""
    lines = [sample.source, "  k  silhouette           BIC     inertia  smallest"]
    for choice in advice.table:
        stars = ("*" if choice.k == advice.by_silhouette else " ", "*" if choice.k == advice.by_bic else " ")
        silhouette = "-" if math.isnan(choice.silhouette) else f"{choice.silhouette:.4f}"
        lines.append(
            f"{choice.k:3}  {silhouette:>9}{stars[0]}  {choice.bic:>12,.0f}{stars[1]}  {choice.inertia:>9.4g}  "
            f"{100 * choice.smallest:>7.1f}%"
        )
    lines.append(f"silhouette would take {advice.by_silhouette or '-'}, BIC {advice.by_bic or '-'}; what for decides")
    if plot:
        lines.append(f"drawn in {plot}")
    return "\n".join(lines)


def _is_number(of: pa.DataType) -> bool:
    return bool(pa.types.is_integer(of) or pa.types.is_floating(of) or pa.types.is_decimal(of))
