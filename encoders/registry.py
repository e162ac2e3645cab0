"""Encoders by id."""

from __future__ import annotations

from pathlib import Path

from encoders.errors import BrokenEncoderError
from encoders.manifest import load_manifest
from encoders.text import TextEncoder

__all__ = ["load_encoder"]


def load_encoder(encoder_id: str = "text", models_dir: str | Path | None = None, threads: int = 1) -> TextEncoder:
    """Load an installed encoder; ``text`` is the default one for text.

    Examples
    --------
    >>> encoder = load_encoder("text")  # doctest: +SKIP
    >>> encoder.encode(["Cast iron skillet", "铸铁煎锅"]).shape  # doctest: +SKIP
    (2, 512)

    Raises
    ------
    UnknownEncoderError, BrokenEncoderError, EnvironmentBrokenError
        It isn't there, was changed, or can't run here.
    """
    manifest = load_manifest(encoder_id, models_dir)
    if manifest.kind != "text":
        msg = f"encoder {encoder_id!r} is of kind {manifest.kind!r}; this userprism runs text encoders"
        raise BrokenEncoderError(msg)
    return TextEncoder(manifest, threads)
