"""Which exporter makes which encoder. Named, not imported: most need torch, the default text encoder must not."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from encoders.errors import BrokenEncoderError
from encoders.manifest import ALIASES

__all__ = ["PACKAGED", "export_checkpoint_folder", "export_packaged"]

_EXPORTERS = {
    "text": "encoders.export.use:export_use",
    "minilm": "encoders.export.minilm:export_minilm",
    "minilm-int8": "encoders.export.minilm:export_minilm_int8",
    "efficientnet-lite0": "encoders.export.efficientnet:export_efficientnet",
}
_SHORT = {full: short for short, full in ALIASES.items()}
#: Encoders whose weights come in a Python package, by their short names and by what they are installed as.
PACKAGED = (*_EXPORTERS, *_SHORT)
_CHECKPOINTS = {
    "text": "encoders.export.checkpoint:export_checkpoint",
    "image": "encoders.export.vision:export_vision",
    "multimodal": "encoders.export.clip:export_clip",
}
#: What a checkpoint holds, by the `model_type` of its config.json; every other is text.
_KIND_OF_TYPE = {"vit": "image", "deit": "image", "dinov2": "image", "clip": "multimodal"}


def export_packaged(what: str, models_dir: Path, *, force: bool = False) -> tuple[Path, bool]:
    """Install one of `PACKAGED`; return (folder, whether it was written now: not when it is there and intact).

    Raises
    ------
    BrokenEncoderError
        A package is missing, or graph and torch differ.
    """
    found: tuple[Path, bool] = _load(_EXPORTERS[_SHORT.get(what, what)])(models_dir, force=force)
    return found


def export_checkpoint_folder(
    source: Path, models_dir: Path, *, encoder_id: str = "", pooling: str = "", random: bool = False
) -> Path:
    """Install a local Hugging Face checkpoint of text, pictures or both; return its folder.

    Parameters
    ----------
    source : Path
        Holds config.json, weights, tokenizer or preprocessor_config.json.
    models_dir : Path
        Where encoders are installed.
    encoder_id : str
        What it will be called; default: the folder's name in lower case.
    pooling : str
        ``mean``, ``cls`` or ``last``, of a text checkpoint; default: what the checkpoint says.
    random : bool
        Note in the manifest that its weights are random.

    Raises
    ------
    BrokenEncoderError
        No checkpoint, a name that means another encoder, pooling for pictures, a package is missing, or graph and
        torch differ.
    """
    kind = _kind(source)
    options = {"encoder_id": encoder_id or source.resolve().name.lower()}
    if options["encoder_id"] in PACKAGED:
        msg = f"{options['encoder_id']!r} is the name of an encoder from a package: choose another one with --id"
        raise BrokenEncoderError(msg)
    if random:
        options["weights"] = "random"
    if pooling:
        if kind != "text":
            msg = f"--pooling is for text; {source} holds a {kind} checkpoint"
            raise BrokenEncoderError(msg)
        options["pooling"] = pooling
    folder: Path = _load(_CHECKPOINTS[kind])(source, models_dir, **options)
    return folder


def _kind(source: Path) -> str:
    try:
        config = msgspec.json.decode((source / "config.json").read_bytes(), type=dict)
    except (OSError, msgspec.DecodeError) as error:
        msg = f"{source} is no checkpoint: its config.json can't be read ({error})"
        raise BrokenEncoderError(msg) from error
    return _KIND_OF_TYPE.get(str(config.get("model_type")), "text")


def _load(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    try:
        found: Callable[..., Any] = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        msg = f"{error.name} isn't installed: pip install 'userprism[cpu,train]'"
        raise BrokenEncoderError(msg) from error
    return found
