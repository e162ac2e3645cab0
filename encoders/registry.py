"""Encoders by id. A new kind of encoder is one line here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from encoders.behaviour import BehaviourEncoder
from encoders.contract import Encoder
from encoders.errors import BrokenEncoderError
from encoders.image import ImageEncoder
from encoders.images import ImageSource
from encoders.manifest import Manifest, load_manifest
from encoders.multimodal import MultimodalEncoder
from encoders.text import TextEncoder

__all__ = ["KINDS", "load_encoder"]

#: Kind of a manifest to what runs it, given manifest and threads.
KINDS: dict[str, Callable[[Manifest, int], Encoder[Any, Any]]] = {
    "text": TextEncoder,
    "image": ImageEncoder,
    "multimodal": MultimodalEncoder,
    "behaviour": BehaviourEncoder,
}


def load_encoder(
    encoder_id: str = "text", models_dir: str | Path | None = None, threads: int = 1, source: ImageSource | None = None
) -> Encoder[Any, Any]:
    """Load an installed encoder; ``text`` is the default one for text.

    Parameters
    ----------
    encoder_id : str
        What it was installed as.
    models_dir : str or Path, optional
        Where; default: `encoders.manifest.default_models_dir`.
    threads : int
        See `Encoder`.
    source : ImageSource, optional
        Where an encoder that takes pictures may get them; by default only from what is inline.

    Examples
    --------
    >>> encoder = load_encoder("text")  # doctest: +SKIP
    >>> encoder.encode(["Cast iron skillet", "铸铁煎锅"]).shape  # doctest: +SKIP
    (2, 512)

    Raises
    ------
    UnknownEncoderError, BrokenEncoderError, EnvironmentBrokenError
        It isn't there, was changed, answers its golden inputs differently, or can't run here.
    """
    manifest = load_manifest(encoder_id, models_dir)
    if manifest.kind not in KINDS:
        msg = f"encoder {encoder_id!r} is of kind {manifest.kind!r}; this userprism runs {', '.join(KINDS)}"
        raise BrokenEncoderError(msg)
    if not manifest.goldens:
        msg = f"encoder {encoder_id!r} has no golden inputs: nothing says that its vectors are right. Export it again"
        raise BrokenEncoderError(msg)
    if manifest.kind == "image":
        return ImageEncoder(manifest, threads, source)
    if manifest.kind == "multimodal":
        return MultimodalEncoder(manifest, threads, source)
    return KINDS[manifest.kind](manifest, threads)
