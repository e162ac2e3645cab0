"""Encoders: content in, vectors out, by ONNX models with manifests. A leaf: never imports `streams`."""

from __future__ import annotations

from encoders.cache import VectorCache
from encoders.errors import BrokenEncoderError, EncoderError, EnvironmentBrokenError, UnknownEncoderError
from encoders.manifest import Manifest, load_manifest
from encoders.projection import Projection, load_projection
from encoders.registry import load_encoder
from encoders.text import TextEncoder

__all__ = [
    "BrokenEncoderError",
    "EncoderError",
    "EnvironmentBrokenError",
    "Manifest",
    "Projection",
    "TextEncoder",
    "UnknownEncoderError",
    "VectorCache",
    "load_encoder",
    "load_manifest",
    "load_projection",
]
