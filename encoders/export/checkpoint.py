"""Any local folder with a text checkpoint of the BERT family, or a GPT-like one, as a text encoder.

The folder is what `save_pretrained` writes and the Hugging Face hub holds: config.json, weights, tokenizer.
Nothing is fetched. Needs the extra `train`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModel, AutoTokenizer

from encoders.errors import BrokenEncoderError
from encoders.export.graphs import OPSET, write_graph
from encoders.export.install import PROJECTION_DIMS, finish, installing
from encoders.export.titles import SAMPLE_TITLES
from encoders.manifest import Manifest
from encoders.text import TextEncoder

__all__ = ["POOLINGS", "Pooled", "Pooling", "export_checkpoint", "save_tokenizer"]

Pooling = Literal["mean", "cls", "last"]
POOLINGS: tuple[Pooling, ...] = ("mean", "cls", "last")

_MAX_LEN = 512
_GOLDENS = ("Cast iron skillet for induction stoves", "铸铁煎锅,电磁炉适用", "Weekend trip to Kyoto 2026", "a")
#: As the default encoder's: what another provider or build of onnxruntime rounds otherwise stays below it.
_TOLERANCE = 2e-4


class Pooled(torch.nn.Module):
    """A transformer and the pooling of its last hidden states (batch, tokens, dim) to unit vectors (batch, dim)."""

    def __init__(self, model: torch.nn.Module, pooling: Pooling) -> None:
        super().__init__()
        self.model = model
        self.pooling = pooling

    def forward(self, input_ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (batch, dim) of ids and mask, both int64 (batch, tokens), padded on the right."""
        hidden = self.model(input_ids=input_ids, attention_mask=mask).last_hidden_state
        if self.pooling == "cls":
            pooled = hidden[:, 0]
        elif self.pooling == "last":
            place = (mask.sum(dim=1) - 1)[:, None, None].expand(-1, 1, hidden.shape[2])
            pooled = hidden.gather(1, place)[:, 0]
        else:
            weights = mask.to(hidden.dtype)[:, :, None]
            pooled = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        return torch.nn.functional.normalize(pooled, dim=1)


def export_checkpoint(
    source: Path, models_dir: Path, *, encoder_id: str, pooling: Pooling | None = None, weights: str = "pretrained",
    licence: str = "as the checkpoint's", origin: str = "", languages: tuple[str, ...] = ("en",),
) -> Path:  # fmt: skip
    """Install a text checkpoint as an encoder; return its folder.

    Parameters
    ----------
    source : Path
        The checkpoint's folder.
    models_dir : Path
        Where encoders are installed.
    encoder_id : str
        What `load_encoder` will know it by; also its space.
    pooling : {"mean", "cls", "last"}, optional
        Default: what the folder's sentence-transformers settings say, else ``mean``. ``last`` is for GPT-like models.
    weights : str
        ``pretrained`` or ``random``; written to the manifest.
    licence, origin : str
        Written to the manifest.
    languages : tuple of str
        ISO 639-1.

    Raises
    ------
    BrokenEncoderError
        The folder holds no such checkpoint, its tokenizer isn't a fast one, or graph and torch differ.
    """
    try:
        model = AutoModel.from_pretrained(source, local_files_only=True, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        msg = f"{source} can't be read as a checkpoint with a tokenizer: {str(error).splitlines()[0]}"
        raise BrokenEncoderError(msg) from error
    chosen = pooling or _stated_pooling(source)
    pad_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    max_len = _max_len(source, model.config, pad_id)
    dim = int(model.config.hidden_size)
    with installing(encoder_id, models_dir) as work:
        save_tokenizer(tokenizer, work / "tokenizer.json")
        vocabulary = int(model.config.vocab_size)
        write_graph(
            Pooled(model, chosen),
            work / "model.onnx",
            _inputs(vocabulary, pad_id, (7, 3)),
            {name: {0: "batch", 1: "tokens"} for name in ("input_ids", "mask")},
            [_inputs(vocabulary, pad_id, lengths) for lengths in ((1,), (max_len,), (2, 1, min(40, max_len), 9, 5))],
        )
        manifest = Manifest(
            id=encoder_id, version="1", space_id=f"{encoder_id}/1", kind="text", opset=OPSET,
            inputs={"input_ids": "int64 (batch, tokens)", "mask": "int64 (batch, tokens)"},
            outputs={"vector": f"float32 (batch, {dim})"}, dim=dim, pooling=chosen, normalised=True, max_len=max_len,
            languages=list(languages), preprocessing="tokenizer.json", batch_invariant=True, licence=licence,
            source=origin or f"checkpoint {source.name} ({model.config.model_type})", sha256={},
            projection_version="titles-pca-1" if dim >= PROJECTION_DIMS else "", tolerance=_TOLERANCE, goldens=[],
            tokenizer="tokenizers", pad_id=pad_id, weights=weights,
        )  # fmt: skip
        finish(work, manifest, TextEncoder, _GOLDENS, SAMPLE_TITLES if dim >= PROJECTION_DIMS else ())
    return models_dir / encoder_id


def save_tokenizer(tokenizer: Any, path: Path) -> None:
    """Write a tokenizer as the one file that `tokenizers` reads.

    Raises
    ------
    BrokenEncoderError
        It is a slow one, which has no such form.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        msg = f"{type(tokenizer).__name__} has no tokenizer.json; save the checkpoint with a fast tokenizer"
        raise BrokenEncoderError(msg)
    path.write_text(backend.to_str(), encoding="utf-8")


def _inputs(vocabulary: int, pad_id: int, lengths: tuple[int, ...]) -> dict[str, npt.NDArray[np.int64]]:
    """Return ids and mask of random texts of these lengths."""
    mask = (np.arange(max(lengths)) < np.array(lengths)[:, None]).astype(np.int64)
    ids = np.random.default_rng(0).integers(min(5, vocabulary - 1), vocabulary, mask.shape)
    return {"input_ids": np.where(mask == 1, ids, pad_id).astype(np.int64), "mask": mask}


def _stated_pooling(source: Path) -> Pooling:
    path = source / "1_Pooling" / "config.json"
    stated = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
    if stated.get("pooling_mode_cls_token"):
        return "cls"
    return "last" if stated.get("pooling_mode_lasttoken") else "mean"


def _max_len(source: Path, config: Any, pad_id: int) -> int:
    """Return the longest text in tokens: what the checkpoint was trained with, and what it has positions for."""
    positions = int(getattr(config, "max_position_embeddings", _MAX_LEN))
    if config.model_type in {"roberta", "xlm-roberta", "camembert"}:
        positions -= pad_id + 1  # their positions start after the padding's
    path = source / "sentence_bert_config.json"
    stated = msgspec.json.decode(path.read_bytes()).get("max_seq_length") if path.exists() else None
    return min(_MAX_LEN, positions, stated or _MAX_LEN)
