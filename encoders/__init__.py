"""Encoders: content in, vectors out, by ONNX models with manifests. A leaf: never imports `streams`."""

from __future__ import annotations

from encoders.behaviour import BehaviourEncoder
from encoders.cache import VectorCache
from encoders.conformance import Cases, EncoderConformanceError, check_encoder
from encoders.content import ContentEncoder, ContentSpace, content_space
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
    "BehaviourEncoder",
    "BrokenEncoderError",
    "Cases",
    "ContentEncoder",
    "ContentSpace",
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
    "content_space",
    "load_encoder",
    "load_manifest",
    "load_projection",
]
