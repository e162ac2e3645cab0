"""Torch vision models as image encoders, and any local folder with a ViT checkpoint. Needs the extra `train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModel

from encoders.errors import BrokenEncoderError
from encoders.export.graphs import OPSET, write_graph
from encoders.export.install import finish, installing
from encoders.export.pictures import golden_pictures
from encoders.image import ImageEncoder
from encoders.manifest import ImageInput, Manifest

__all__ = ["FirstToken", "export_vision", "image_input", "install_vision", "random_pixels"]

_TOLERANCE = 2e-4
#: Pillow's numbers of the filters, which preprocessor_config.json uses.
_FILTER_NAMES = {2: "bilinear", 3: "bicubic"}


class FirstToken(torch.nn.Module):
    """A vision transformer's first token as unit vectors (batch, dim)."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (batch, dim) of float32 (batch, 3, size, size)."""
        hidden = self.model(pixel_values=pixels).last_hidden_state[:, 0]
        return torch.nn.functional.normalize(hidden, dim=1)


def export_vision(
    source: Path, models_dir: Path, *, encoder_id: str, weights: str = "pretrained",
    licence: str = "as the checkpoint's",
) -> Path:  # fmt: skip
    """Install a ViT checkpoint as an image encoder; return its folder.

    Parameters
    ----------
    source : Path
        Holds config.json, weights, and preprocessor_config.json.
    models_dir, encoder_id, weights, licence
        As `encoders.export.checkpoint.export_checkpoint`'s.

    Raises
    ------
    BrokenEncoderError
        The folder holds no such checkpoint, or graph and torch differ.
    """
    try:
        model = AutoModel.from_pretrained(source, local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, KeyError) as error:
        msg = f"{source} can't be read as a checkpoint: {str(error).splitlines()[0]}"
        raise BrokenEncoderError(msg) from error
    return install_vision(
        FirstToken(model), models_dir, encoder_id=encoder_id, dim=int(model.config.hidden_size),
        image=image_input(source), pooling="first token", weights=weights, licence=licence,
        origin=f"checkpoint {source.name} ({model.config.model_type})",
    )  # fmt: skip


def install_vision(
    module: torch.nn.Module, models_dir: Path, *, encoder_id: str, dim: int, image: ImageInput, pooling: str,
    weights: str, licence: str, origin: str,
) -> Path:  # fmt: skip
    """Install a module from ``pixels`` (batch, 3, size, size) to unit vectors (batch, dim); return its folder.

    Raises
    ------
    BrokenEncoderError
        Graph and torch differ.
    """
    with installing(encoder_id, models_dir) as work:
        write_graph(
            module,
            work / "model.onnx",
            {"pixels": random_pixels(2, image.size)},
            {"pixels": {0: "batch"}},
            [{"pixels": random_pixels(n, image.size)} for n in (1, 3)],
        )
        manifest = Manifest(
            id=encoder_id, version="1", space_id=f"{encoder_id}/1", kind="image", opset=OPSET,
            inputs={"pixels": f"float32 (batch, 3, {image.size}, {image.size})"},
            outputs={"vector": f"float32 (batch, {dim})"}, dim=dim, pooling=pooling, normalised=True, max_len=0,
            languages=[], preprocessing="upright RGB on white; see `image`", batch_invariant=True, licence=licence,
            source=origin, sha256={}, projection_version="", tolerance=_TOLERANCE, goldens=[], tokenizer="",
            image=image, weights=weights,
        )  # fmt: skip
        finish(work, manifest, ImageEncoder, golden_pictures())
    return models_dir / encoder_id


def image_input(source: Path) -> ImageInput:
    """Read how pictures are prepared from a checkpoint's preprocessor_config.json.

    Raises
    ------
    BrokenEncoderError
        The file is missing or says something that isn't done here.
    """
    path = source / "preprocessor_config.json"
    try:
        stated: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict)
        size, crop = stated["size"], stated.get("crop_size")
        side = _side(crop if stated.get("do_center_crop") and crop else size)
        resize = _side(size) if stated.get("do_center_crop") else 0
        return ImageInput(
            size=side,
            resize=resize,
            filter=_FILTER_NAMES[stated.get("resample", 2)],
            mean=tuple(stated.get("image_mean", (0.5, 0.5, 0.5))),
            std=tuple(stated.get("image_std", (0.5, 0.5, 0.5))),
        )
    except (OSError, KeyError, TypeError, ValueError, msgspec.MsgspecError) as error:
        msg = f"{path} doesn't say how pictures are prepared: {type(error).__name__}: {error}"
        raise BrokenEncoderError(msg) from error


def random_pixels(n: int, size: int) -> npt.NDArray[np.float32]:
    """Return float32 (n, 3, size, size)."""
    return np.random.default_rng(0).normal(size=(n, 3, size, size)).astype(np.float32)


def _side(size: int | dict[str, int]) -> int:
    """Return the side of a square, or the shorter one; older files have a bare number."""
    if isinstance(size, int):
        return size
    if "shortest_edge" in size:
        return size["shortest_edge"]
    if size["height"] != size["width"]:
        msg = f"{size['height']} x {size['width']} is no square"
        raise ValueError(msg)
    return size["height"]
