"""Installed encoders put through the conformance suite, with content that fits their kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from encoders.behaviour import AnomalyScorer, Basket
from encoders.conformance import Cases, check_encoder
from encoders.manifest import Manifest, load_manifest
from encoders.multimodal import Thing
from encoders.registry import KINDS, load_encoder

__all__ = ["check_installed", "standard_cases"]

_TEXTS = ("red", "Cast iron skillet for induction stoves", "铸铁煎锅,电磁炉适用。" * 8, "a b c d e f g h i j k l m")
_BAD_TEXTS: tuple[tuple[Any, str], ...] = (
    ("", "empty"), (" \n", "empty"), ("word " * 100_000, "too_large"), (None, "broken"), ("half \ud800", "broken"),
)  # fmt: skip
_BAD_PICTURES: tuple[tuple[Any, str], ...] = (
    (b"", "empty"), (b"no picture", "unsupported"), (None, "broken"), ("http://example.com/a.png", "refused"),
    ("data:image/png;base64,iVBORw0KGgo=", "unsupported"),
)  # fmt: skip


def check_installed(encoder_id: str, models_dir: str | Path | None = None) -> tuple[str, list[str]]:
    """Put an installed encoder through every check of its kind; return (provider, names of the checks).

    Raises
    ------
    EncoderError, EncoderConformanceError
        It isn't there, was changed, answers its golden inputs differently, or breaks a promise.
    """
    manifest = load_manifest(encoder_id, models_dir)
    if manifest.kind == "anomaly":
        return AnomalyScorer(manifest).provider, ["files_are_checked", "goldens_are_checked"]
    encoder = load_encoder(encoder_id, models_dir)
    return encoder.provider, check_encoder(lambda m: KINDS[m.kind](m, 1), manifest, standard_cases(manifest))


def standard_cases(manifest: Manifest) -> Cases:
    """Return content that every encoder of a kind must take, and content that it must refuse."""
    goldens = [golden.text for golden in manifest.goldens]
    if manifest.kind == "image":
        return Cases(good=goldens, bad=_BAD_PICTURES)
    if manifest.kind == "multimodal":
        things = [msgspec.json.decode(text, type=Thing) for text in goldens]
        return Cases(
            good=[*things, Thing(text="red")],
            bad=[(Thing(), "empty"), (Thing(text=""), "empty"), (Thing(image=b"no picture"), "unsupported")],
        )
    if manifest.kind == "behaviour":
        some = msgspec.json.decode(manifest.path("items.json").read_bytes(), type=list[str])[:5]
        baskets = [Basket(some[:1]), Basket(some, [float(i + 1) for i in range(len(some))]), Basket([*some, "\0"])]
        return Cases(
            good=baskets,
            bad=[(Basket([]), "empty"), (Basket(["\0"]), "unknown"), (Basket(["\0"], [1.0, 2.0]), "broken")],
        )
    return Cases(good=[*_TEXTS, *goldens], bad=_BAD_TEXTS)
