"""`python -m encoders.export`: install an encoder; the default text encoder when nothing else is said."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from encoders.errors import BrokenEncoderError, EncoderError
from encoders.export.use import export_use
from encoders.manifest import default_models_dir

__all__ = ["main"]

# Named, not imported: these need torch (extra `train`), which the default encoder must not.
_PACKAGED = {
    "minilm": "encoders.export.minilm:export_minilm",
    "efficientnet-lite0": "encoders.export.efficientnet:export_efficientnet",
}
_CHECKPOINTS = {
    "text": "encoders.export.checkpoint:export_checkpoint",
    "image": "encoders.export.vision:export_vision",
    "multimodal": "encoders.export.clip:export_clip",
}
#: What a checkpoint holds, by the `model_type` of its config.json; every other is text.
_KIND_OF_TYPE = {"vit": "image", "deit": "image", "dinov2": "image", "clip": "multimodal"}


def main(argv: Sequence[str] | None = None) -> int:
    """Export, unless it is there already and intact."""
    parser = argparse.ArgumentParser(prog="python -m encoders.export", description=__doc__)
    parser.add_argument("what", nargs="?", default="text", choices=["text", *_PACKAGED], help="default: text")
    parser.add_argument("--models-dir", type=Path, default=default_models_dir())
    parser.add_argument("--force", action="store_true", help="export again even if it is there")
    parser.add_argument("--from", dest="source", type=Path, help="folder of a Hugging Face checkpoint to install")
    parser.add_argument("--id", help="what the checkpoint will be called; default: the folder's name")
    parser.add_argument("--pooling", choices=["mean", "cls", "last"], help="of a text checkpoint")
    parser.add_argument("--random", action="store_true", help="note that its weights are random")
    given = parser.parse_args(argv)
    try:
        folder, made = _from_checkpoint(given) if given.source else _packaged(given)
    except EncoderError as error:
        print(f"encoders.export: {error}", file=sys.stderr)
        return 1
    print(f"{'exported to' if made else 'already in'} {folder}", file=sys.stderr)
    return 0


def _packaged(given: argparse.Namespace) -> tuple[Path, bool]:
    export = export_use if given.what == "text" else _load(_PACKAGED[given.what])
    found: tuple[Path, bool] = export(given.models_dir, force=given.force)
    return found


def _from_checkpoint(given: argparse.Namespace) -> tuple[Path, bool]:
    kind = _kind(given.source)
    options = {"encoder_id": given.id or given.source.resolve().name.lower()}
    if given.random:
        options["weights"] = "random"
    if given.pooling:
        if kind != "text":
            msg = f"--pooling is for text; {given.source} holds a {kind} checkpoint"
            raise BrokenEncoderError(msg)
        options["pooling"] = given.pooling
    return _load(_CHECKPOINTS[kind])(given.source, given.models_dir, **options), True


def _kind(source: Path) -> str:
    try:
        config = msgspec.json.decode((source / "config.json").read_bytes(), type=dict)
    except (OSError, msgspec.DecodeError) as error:
        msg = f"{source} is no checkpoint: its config.json can't be read ({error})"
        raise BrokenEncoderError(msg) from error
    return _KIND_OF_TYPE.get(str(config.get("model_type")), "text")


def _load(name: str) -> Any:
    module, _, function = name.partition(":")
    try:
        return getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        msg = f"{error.name} isn't installed: pip install 'userprism[cpu,train]'"
        raise BrokenEncoderError(msg) from error


if __name__ == "__main__":
    raise SystemExit(main())
