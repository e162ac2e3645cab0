"""Trained behaviour models as ONNX, with manifest, vocabulary and golden inputs. Needs torch (extra `train`)."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from encoders.behaviour.anomaly import AnomalyScorer
from encoders.behaviour.baskets import Basket
from encoders.behaviour.encoder import BehaviourEncoder
from encoders.behaviour.gan import NOISE, Generator
from encoders.contract import Vectors
from encoders.errors import BrokenEncoderError
from encoders.export.graphs import OPSET, write_graph
from encoders.export.install import finish, installing
from encoders.manifest import Golden, Manifest, file_sha256

__all__ = ["Bag", "install_anomaly", "install_basket_model"]

_TOLERANCE = 1e-4


class Bag(torch.nn.Module):
    """Item vectors (items + 1, dim), row 0 zero, to a basket's: their weighted sum, brought to unit length."""

    table: torch.Tensor

    def __init__(self, table: Vectors) -> None:
        super().__init__()
        if table[0].any():
            msg = "row 0 stands for unknown items and must be zero"
            raise BrokenEncoderError(msg)
        # Items of unit length: an item seen often has a long vector, and its weight is in the basket already.
        length = np.linalg.norm(table, axis=1, keepdims=True)
        self.register_buffer("table", torch.from_numpy(table / np.maximum(length, 1e-12)))

    def forward(self, items: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return (batch, dim) of items int64 and weights float32, both (batch, items)."""
        total = (torch.nn.functional.embedding(items, self.table) * weights[:, :, None]).sum(dim=1)
        return torch.nn.functional.normalize(total, dim=1)


def install_basket_model(
    module: torch.nn.Module, vocabulary: list[str], models_dir: Path, *, encoder_id: str, version: str, dim: int,
    pooling: str, normalised: bool, source: str,
) -> Path:  # fmt: skip
    """Install a module over ``items`` and ``weights``, both (batch, items); return its folder.

    Parameters
    ----------
    module : torch.nn.Module
        A `Bag` or a `MultDAE`.
    vocabulary : list of str
        Items by number, from 1 on.
    models_dir : Path
        Where encoders are installed.
    encoder_id, version : str
        Every training is a space of its own: the space's id holds both.
    dim : int
        Width of the vectors.
    pooling, normalised, source
        Written to the manifest.

    Raises
    ------
    BrokenEncoderError
        Graph and torch differ.
    """
    with installing(encoder_id, models_dir) as work:
        (work / "items.json").write_bytes(msgspec.json.encode(vocabulary))
        axes = {name: {0: "batch", 1: "items"} for name in ("items", "weights")}
        checks = [_inputs(len(vocabulary), shape) for shape in ((1, 1), (1, 9), (5, 30))]
        write_graph(module, work / "model.onnx", _inputs(len(vocabulary), (3, 4)), axes, checks)
        manifest = Manifest(
            id=encoder_id, version=version, space_id=f"{encoder_id}/{version}", kind="behaviour", opset=OPSET,
            inputs={"items": "int64 (batch, items)", "weights": "float32 (batch, items)"},
            outputs={"vector": f"float32 (batch, {dim})"}, dim=dim, pooling=pooling, normalised=normalised, max_len=0,
            languages=[], preprocessing="items.json: number i + 1; 0 is unknown", batch_invariant=True, licence="own",
            source=source, sha256={}, projection_version="", tolerance=_TOLERANCE, goldens=[], tokenizer="",
            weights="trained",
        )  # fmt: skip
        some = vocabulary[:3]
        several = Basket([*some, "\0 never seen"], [*[1.0, 2.0, 0.5][: len(some)], 9.0])
        goldens = [msgspec.json.encode(basket).decode() for basket in (Basket(vocabulary[-1:]), several)]
        finish(work, manifest, BehaviourEncoder, goldens)
    return models_dir / encoder_id


def install_anomaly(
    module: torch.nn.Module, people: Vectors, models_dir: Path, *, encoder_id: str, version: str, source: str,
    generator: Generator | None = None,
) -> Path:  # fmt: skip
    """Install a module from ``profiles`` (batch, dim) to scores (batch, 1); return its folder.

    Parameters
    ----------
    module : torch.nn.Module
        An `Unusual` or a `Mixture`.
    people : ndarray of float32, shape (n, dim)
        Real profiles, at least 8; some become golden inputs.
    models_dir, encoder_id, version, source
        As `install_basket_model`'s.
    generator : Generator, optional
        Installed beside it as ``generator.onnx``, from ``noise`` (batch, 16).

    Raises
    ------
    BrokenEncoderError
        A graph and torch differ.
    """
    dim = people.shape[1]
    with installing(encoder_id, models_dir) as work:
        write_graph(
            module, work / "model.onnx", {"profiles": people[:3]}, {"profiles": {0: "batch"}},
            [{"profiles": people[:1]}, {"profiles": people[:8]}],
        )  # fmt: skip
        if generator is not None:
            noise = np.random.default_rng(0).normal(size=(5, NOISE)).astype(np.float32)
            write_graph(
                generator, work / "generator.onnx", {"noise": noise}, {"noise": {0: "batch"}}, [{"noise": noise[:1]}]
            )
        with torch.no_grad():
            everybody = module(torch.from_numpy(people)).numpy()[:, 0]
        ladder = np.quantile(everybody, np.linspace(0.0, 1.0, 101)).tolist()
        (work / "ladder.json").write_bytes(msgspec.json.encode(ladder))
        scores = everybody[:4].tolist()
        manifest = Manifest(
            id=encoder_id, version=version, space_id=f"{encoder_id}/{version}", kind="anomaly", opset=OPSET,
            inputs={"profiles": f"float32 (batch, {dim})"}, outputs={"vector": "float32 (batch, 1)"}, dim=dim,
            pooling="none", normalised=False, max_len=0, languages=[], preprocessing="none", batch_invariant=True,
            licence="own", source=source, projection_version="", tolerance=_TOLERANCE, tokenizer="", weights="trained",
            sha256={path.name: file_sha256(path) for path in sorted(work.iterdir())},
            goldens=[
                Golden(msgspec.json.encode(profile).decode(), [score])
                for profile, score in zip(people[:4].tolist(), scores, strict=True)
            ],
        )  # fmt: skip
        (work / "manifest.json").write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
        AnomalyScorer(msgspec.structs.replace(manifest, folder=str(work)))
    return models_dir / encoder_id


def _inputs(items: int, shape: tuple[int, int]) -> dict[str, npt.NDArray[np.generic]]:
    """Return random baskets, zeros among the items; the first has an item that is known."""
    random = np.random.default_rng(0)
    numbers = random.integers(0, items + 1, shape)
    numbers[:, 0] = 1
    return {"items": numbers, "weights": random.random(shape).astype(np.float32) * (numbers > 0) + np.float32(0.0)}
