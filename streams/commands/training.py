"""Models of behaviour: trained from what people touched, given to the profilers that run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from encoders import EncoderError, load_encoder
from encoders.behaviour import Interactions
from streams.commands._tables import read_table
from streams.commands.encoders import models_dir
from streams.contract.content import content_id_of
from streams.errors import InputError
from streams.profiles import Layout
from streams.settings import Settings
from streams.storage.behaviour import ANOMALY, save_behaviour_model, touched_content
from streams.storage.client import connect

__all__ = ["KINDS", "train_model", "train_text"]

Say = Callable[[str], None]
Tell = Callable[[str, float], None]

#: What can be trained; `gan` is a score of what is unusual, beside a mixture of Gaussians, on top of a Mult-DAE.
KINDS = ("multdae", "item2vec", "node2vec", "gan")
_TITLES = {"multdae": "Mult-DAE", "item2vec": "item2vec", "node2vec": "node2vec", "gan": "GAN"}
#: An item that fewer people touched says nothing about who is alike.
_AT_LEAST = 2


def train_model(
    settings: Settings, kind: str, source: Path | None, columns: tuple[str, str, str], *, seed: int, activate: bool,
    say: Say, tell: Tell = lambda what, share: None,
) -> dict[str, Any]:  # fmt: skip
    """Train, install, and with `activate` give a basket model to the profilers.

    Parameters
    ----------
    settings : Settings
        Where ClickHouse and the models are.
    kind : str
        One of `KINDS`.
    source : Path, optional
        A CSV, TSV, NDJSON or Parquet file with a row a touch; by default people's touches in ClickHouse.
    columns : tuple of str
        Names of the columns of the person, the item (its id in events, such as `product_id`) and the weight ("": 1).
    seed : int
        Of the training.
    activate : bool
        Whether running profilers shall take it.
    say : callable
        Told what there is to train on.
    tell : callable
        Told what is trained and what share of it is done.

    Raises
    ------
    InputError
        Nothing to train on, a file that can't be read, or torch isn't installed.
    """
    began = time.monotonic()
    log = _log(settings, source, columns)
    say(f"{len(log):,} people, {len(log.vocabulary):,} items, {len(log.items):,} touches")
    try:
        train = import_module("encoders.behaviour.train")  # by name: it needs torch
    except ModuleNotFoundError as error:
        msg = f"{error.name} isn't installed: pip install 'userprism[cpu,train]'"
        raise InputError(msg) from error
    folder, version = models_dir(settings), time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    told = f"{len(log)} people, {len(log.vocabulary)} items, seed {seed}"
    figures: dict[str, Any] = {"people": len(log), "items": len(log.vocabulary), "touches": len(log.items)}
    try:
        basket_kind = "multdae" if kind == "gan" else kind
        path = train.train_basket_model(
            basket_kind, log, folder, encoder_id=basket_kind, version=version, source=told, seed=seed,
            tell=partial(tell, _TITLES[basket_kind]),
        )  # fmt: skip
        if kind == "gan":
            path, found = train.train_anomaly(
                log, load_encoder(basket_kind, folder), folder, encoder_id=ANOMALY, version=version, source=told,
                seed=seed, tell=partial(tell, _TITLES[kind]),
            )  # fmt: skip
            figures |= asdict(found)
    except (EncoderError, ValueError) as error:
        raise InputError(str(error)) from error
    figures["seconds"] = round(time.monotonic() - began, 1)
    done = {"kind": kind, "space_id": f"{path.name}/{version}", "folder": str(path), **figures, "version": 0}
    if activate:
        # A score needs the model of baskets that it was trained on beside it.
        folders = {"basket/": folder / basket_kind, "score/": path} if kind == "gan" else {"": path}
        files = {f"{name}{file.name}": file.read_bytes() for name, of in folders.items() for file in of.iterdir()}
        stored = ANOMALY if kind == "gan" else kind
        with connect(settings) as client:
            done["version"] = save_behaviour_model(
                client, stored, done["space_id"], files, msgspec.json.encode(figures).decode()
            )
    return done


def train_text(done: dict[str, Any]) -> str:
    """Show what was trained."""
    size = f"{done['people']:,} people and {done['items']:,} items"
    lines = [f"{done['kind']} on {size} in {done['seconds']} s: {done['folder']}"]
    if "better" in done:
        lines.append(
            f"strangers against people held out, area under the curve: GAN {done['gan']:.3f}, mixture of Gaussians "
            f"{done['mixture']:.3f}; {done['better']} is `{ANOMALY}`"
        )
    if done["version"]:
        lines.append(f"version {done['version']}: profilers that run take it within seconds")
    return "\n".join(lines)


def _log(settings: Settings, source: Path | None, columns: tuple[str, str, str]) -> Interactions:
    try:
        if source is None:
            with connect(settings) as client:
                layout = Layout.from_settings(settings.features, settings.segmentation)
                people, content, weights = touched_content(client, layout)
            return Interactions.from_arrays(people, content, weights, at_least=_AT_LEAST)
        user, item, weight = columns
        table = read_table(source)
        missing = [name for name in (user, item, weight) if name and name not in table.column_names]
        if missing:
            msg = f"{source} has no column {missing[0]!r}; it has {', '.join(table.column_names)}"
            raise InputError(msg)
        items = table.column(item).cast(pa.utf8()).to_pylist()
        ids = {name: content_id_of("item", (name or "").strip()) for name in set(items)}
        return Interactions.from_arrays(
            table.column(user).cast(pa.utf8()).to_numpy(zero_copy_only=False).astype(str),
            np.array([ids[name] for name in items], np.uint64),
            table.column(weight).cast(pa.float64()).to_numpy() if weight else None,
            at_least=_AT_LEAST,
        )
    except ValueError as error:
        where = source or "people's touches in ClickHouse"
        msg = f"nothing to train on in {where}: {error}"
        raise InputError(msg) from error
