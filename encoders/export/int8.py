"""Text encoders with 8-bit weights, whose vectors are the same alone and in a batch.

Plain dynamic quantisation takes one scale over a whole batch, so a text's vector depends on its neighbours (cosine .981
between alone and in a batch). Here every 64 weights have a scale of their own (MatMulNBits), and activations are
quantised row by row, which no neighbour changes.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnx
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

from encoders.errors import BrokenEncoderError
from encoders.export.install import finish, installing
from encoders.manifest import load_manifest
from encoders.text import TextEncoder

__all__ = ["LEAST_COSINE", "export_int8"]

#: Below this an int8 encoder isn't worth having beside the one it was made of.
LEAST_COSINE = 0.98
#: MiniLM on one thread, titles a CPU second, least cosine to fp32: 32 weights a scale 595 and .9994, 64: 663 and .9988,
#: 128: 723 and .9983, but there rounding makes the odd text differ between alone and in a batch (.9996). fp32: 518.
_BLOCK = 64
#: Quantised activations; anything lower computes in float and is no faster.
_ACCURACY_LEVEL = 4
#: What a batch may change: an activation on the edge of two steps falls on either side.
_TOLERANCE = 2e-3


def export_int8(encoder_id: str, models_dir: Path, sample: Sequence[str]) -> Path:
    """Install an 8-bit copy of an installed text encoder as ``<id>-int8``; return its folder.

    Its space is another one: vectors of the two are near each other, not comparable.

    Parameters
    ----------
    encoder_id : str
        Of an installed encoder of kind ``text``.
    models_dir : Path
        Where it is, and where the copy goes.
    sample : sequence of str
        Texts on which both are held against each other, and whose directions become the projection.

    Raises
    ------
    BrokenEncoderError
        It isn't text, or a vector differs too much (cosine below `LEAST_COSINE`).
    """
    manifest = load_manifest(encoder_id, models_dir)
    if manifest.kind != "text":
        msg = f"{encoder_id} is of kind {manifest.kind}; only text encoders are quantised"
        raise BrokenEncoderError(msg)
    plain = TextEncoder(manifest)
    name = f"{manifest.id}-int8"
    with installing(name, models_dir) as work:
        for file in manifest.sha256:
            if file not in {"model.onnx", "projection.npz"}:
                shutil.copyfile(manifest.path(file), work / file)
        _quantise(manifest.path("model.onnx"), work / "model.onnx")
        full = finish(
            work,
            msgspec.structs.replace(
                manifest, id=name, space_id=f"{name}/{manifest.version}", tolerance=_TOLERANCE,
                source=f"{manifest.source}; 8-bit weights, {_BLOCK} a scale",
            ),
            TextEncoder, [golden.text for golden in manifest.goldens],
            sample if manifest.projection_version else (),
        )  # fmt: skip
        least = float((plain.encode(sample) * TextEncoder(full).encode(sample)).sum(axis=1).min())
        if not least >= LEAST_COSINE:
            msg = f"{name}: cosine to {manifest.id} is {least:.4f} at least, should be {LEAST_COSINE}"
            raise BrokenEncoderError(msg)
    return models_dir / name


def _quantise(source: Path, target: Path) -> None:
    before = logging.root.manager.disable
    logging.disable(logging.INFO)  # it tells of every node
    try:
        quantiser = MatMulNBitsQuantizer(
            onnx.load(source),
            algo_config=DefaultWeightOnlyQuantConfig(
                block_size=_BLOCK, is_symmetric=True, accuracy_level=_ACCURACY_LEVEL, bits=8
            ),
        )
        quantiser.process()
        quantiser.model.save_model_to_file(str(target), False)
    finally:
        logging.disable(before)
    if not np.any([node.op_type == "MatMulNBits" for node in onnx.load(target).graph.node]):
        msg = f"{source} has no product with constant weights; there is nothing to quantise"
        raise BrokenEncoderError(msg)
