"""Any local folder with a CLIP checkpoint (Radford et al. 2021, arXiv:2103.00020) as two graphs in one space.

Needs the extra `train`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoTokenizer, CLIPModel

from encoders.errors import BrokenEncoderError
from encoders.export.checkpoint import save_tokenizer
from encoders.export.graphs import OPSET, write_graph
from encoders.export.install import finish, installing
from encoders.export.pictures import golden_pictures
from encoders.export.vision import image_input, random_pixels
from encoders.manifest import Manifest
from encoders.multimodal import COMBINE, MultimodalEncoder

__all__ = ["ImageTower", "TextTower", "export_clip"]

_GOLDEN_TEXTS = ("a red running shoe", "Weekend trip to Kyoto 2026")
_TOLERANCE = 2e-4


class TextTower(torch.nn.Module):
    """CLIP's text side: ids and mask to unit vectors of the shared space."""

    def __init__(self, model: CLIPModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (batch, dim) of ids and mask, both int64 (batch, tokens), padded on the right."""
        pooled = self.model.text_model(input_ids=input_ids, attention_mask=mask).pooler_output
        return torch.nn.functional.normalize(self.model.text_projection(pooled), dim=1)


class ImageTower(torch.nn.Module):
    """CLIP's image side: pixels to unit vectors of the shared space."""

    def __init__(self, model: CLIPModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (batch, dim) of float32 (batch, 3, size, size)."""
        pooled = self.model.vision_model(pixel_values=pixels).pooler_output
        return torch.nn.functional.normalize(self.model.visual_projection(pooled), dim=1)


def export_clip(
    source: Path, models_dir: Path, *, encoder_id: str, weights: str = "pretrained",
    licence: str = "as the checkpoint's",
) -> Path:  # fmt: skip
    """Install a CLIP checkpoint as an encoder of texts, pictures and both; return its folder.

    Parameters
    ----------
    source : Path
        Holds config.json, weights, a fast tokenizer and preprocessor_config.json.
    models_dir, encoder_id, weights, licence
        As `encoders.export.checkpoint.export_checkpoint`'s.

    Raises
    ------
    BrokenEncoderError
        The folder holds no such checkpoint, or a graph and torch differ.
    """
    try:
        model = CLIPModel.from_pretrained(source, local_files_only=True, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        msg = f"{source} can't be read as a CLIP checkpoint: {str(error).splitlines()[0]}"
        raise BrokenEncoderError(msg) from error
    image = image_input(source)
    config: Any = model.config
    dim, text = int(config.projection_dim), config.text_config
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    max_len = int(text.max_position_embeddings)
    with installing(encoder_id, models_dir) as work:
        save_tokenizer(tokenizer, work / "tokenizer.json")
        write_graph(
            TextTower(model),
            work / "text.onnx",
            _texts(text.vocab_size, text.eos_token_id, pad_id, (7, 3)),
            {name: {0: "batch", 1: "tokens"} for name in ("input_ids", "mask")},
            [_texts(text.vocab_size, text.eos_token_id, pad_id, n) for n in ((2,), (max_len,), (2, max_len, 4, 9))],
        )
        write_graph(
            ImageTower(model),
            work / "image.onnx",
            {"pixels": random_pixels(2, image.size)},
            {"pixels": {0: "batch"}},
            [{"pixels": random_pixels(n, image.size)} for n in (1, 3)],
        )
        manifest = Manifest(
            id=encoder_id, version="1", space_id=f"{encoder_id}/1", kind="multimodal", opset=OPSET,
            inputs={
                "input_ids": "int64 (batch, tokens)", "mask": "int64 (batch, tokens)",
                "pixels": f"float32 (batch, 3, {image.size}, {image.size})",
            },
            outputs={"vector": f"float32 (batch, {dim})"}, dim=dim, pooling="end of text; class token",
            normalised=True, max_len=max_len, languages=["en"],
            preprocessing="tokenizer.json; upright RGB on white, see `image`", batch_invariant=True, licence=licence,
            source=f"checkpoint {source.name} (clip)", sha256={}, projection_version="", tolerance=_TOLERANCE,
            goldens=[], tokenizer="tokenizers", pad_id=pad_id, image=image, combine=COMBINE, weights=weights,
        )  # fmt: skip
        finish(work, manifest, MultimodalEncoder, _goldens())
    return models_dir / encoder_id


def _goldens() -> list[str]:
    """Return a text, a picture, and a thing with both, as JSON."""
    pictures = golden_pictures()
    things = [{"text": _GOLDEN_TEXTS[0]}, {"image": pictures[0]}, {"text": _GOLDEN_TEXTS[1], "image": pictures[1]}]
    return [msgspec.json.encode(thing).decode() for thing in things]


def _texts(vocabulary: int, eos: int, pad_id: int, lengths: tuple[int, ...]) -> dict[str, npt.NDArray[np.int64]]:
    """Return ids and mask of random texts of these lengths, each with its end, which CLIP looks for."""
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    ids = np.random.default_rng(0).integers(0, vocabulary, mask.shape)
    ids[ids == eos] = pad_id
    ids[np.arange(len(lengths)), np.array(lengths) - 1] = eos
    return {"input_ids": np.where(mask == 1, ids, pad_id).astype(np.int64), "mask": mask}
