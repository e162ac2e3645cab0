"""Encoders: content in, vectors out, by ONNX models with manifests. A leaf: never imports `streams`."""

from __future__ import annotations

from encoders.cache import VectorCache
from encoders.conformance import Cases, EncoderConformanceError, check_encoder
from encoders.contract import REASONS, Encoder
from encoders.errors import (
    BrokenEncoderError,
    EncoderError,
    EnvironmentBrokenError,
    NoVectorError,
    UnknownEncoderError,
)
from encoders.image import ImageEncoder
from encoders.manifest import Manifest, load_manifest
from encoders.multimodal import MultimodalEncoder, Thing
from encoders.projection import Projection, load_projection
from encoders.registry import load_encoder
from encoders.text import TextEncoder

__all__ = [
    "REASONS",
    "BrokenEncoderError",
    "Cases",
    "Encoder",
    "EncoderConformanceError",
    "EncoderError",
    "EnvironmentBrokenError",
    "ImageEncoder",
    "Manifest",
    "MultimodalEncoder",
    "NoVectorError",
    "Projection",
    "TextEncoder",
    "Thing",
    "UnknownEncoderError",
    "VectorCache",
    "check_encoder",
    "load_encoder",
    "load_manifest",
    "load_projection",
]
