"""What every encoder here promises, as checks any encoder can be put through, on its real model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from encoders.contract import OK, REASONS, Encoder, Vectors
from encoders.errors import BrokenEncoderError
from encoders.manifest import Manifest
from encoders.session import PROVIDERS

__all__ = ["CHECKS", "Cases", "EncoderConformanceError", "check_encoder"]


class EncoderConformanceError(AssertionError):
    """An encoder breaks a promise; the message says which and how."""


@dataclass(frozen=True)
class Cases:
    """Content to check with.

    Attributes
    ----------
    good : sequence
        At least three pieces of content of different lengths that must have vectors.
    bad : sequence of (content, reason)
        Content that must have none: empty, huge and broken, each with the reason expected.
    """

    good: Sequence[Any]
    bad: Sequence[tuple[Any, str]]


@dataclass(frozen=True)
class _Subject:
    encoder: Encoder[Any, Any]
    load: Callable[[Manifest], Encoder[Any, Any]]
    cases: Cases


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise EncoderConformanceError(message)


def _close(subject: _Subject, one: Vectors, other: Vectors) -> bool:
    return bool(np.abs(one - other).max(initial=0.0) <= subject.encoder.manifest.tolerance)


def vectors_have_their_shape(subject: _Subject) -> None:
    """(n, dim) of float32, finite, not zero, of unit length where the manifest says so; none for nothing."""
    encoder, good = subject.encoder, subject.cases.good
    vectors, status = encoder.encode_with_status(good)
    _require(status == [OK] * len(good), f"good content is missing: {status}")
    _require(vectors.shape == (len(good), encoder.dim) and vectors.dtype == np.float32, f"{vectors.shape}")
    _require(bool(np.isfinite(vectors).all() and vectors.any(axis=1).all()), "a vector is zero or not finite")
    if encoder.manifest.normalised:
        _require(bool(np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-4), "a vector isn't of unit length")
    _require(encoder.encode([]).shape == (0, encoder.dim), "nothing doesn't give (0, dim)")


def batch_equals_single(subject: _Subject) -> None:
    """Content has the same vector alone and in a batch, wherever in it."""
    good = subject.cases.good
    together = subject.encoder.encode(good)
    alone = np.concatenate([subject.encoder.encode([content]) for content in good])
    _require(_close(subject, together, alone), f"a batch changes vectors by {np.abs(together - alone).max():.2g}")
    backwards = subject.encoder.encode(list(reversed(good)))[::-1]
    _require(_close(subject, together, backwards), "the order of a batch changes vectors")


def padding_changes_nothing(subject: _Subject) -> None:
    """Beside the longest content, in one batch of the model, the shortest keeps its vector."""
    encoder = subject.encoder
    prepared = sorted((encoder.prepare(content) for content in subject.cases.good), key=encoder.cost)
    shortest, longest = prepared[0], prepared[-1]
    alone = encoder._run([shortest])  # noqa: SLF001 - around the batching, which would never pad so much
    padded = encoder._run([shortest, longest, longest])[:1]  # noqa: SLF001
    _require(_close(subject, alone, padded), f"padding changes a vector by {np.abs(alone - padded).max():.2g}")


def encoding_is_repeatable(subject: _Subject) -> None:
    """Encode twice, get the same bits."""
    first, second = subject.encoder.encode(subject.cases.good), subject.encoder.encode(subject.cases.good)
    _require(first.tobytes() == second.tobytes(), "two calls differ")


def missing_has_a_reason(subject: _Subject) -> None:
    """Empty, huge and broken content is missing with its reason, and harms nobody beside it."""
    encoder, cases = subject.encoder, subject.cases
    expected = encoder.encode(cases.good)
    vectors, status = encoder.encode_with_status([*(content for content, _ in cases.bad), *cases.good])
    for (content, reason), vector, state in zip(cases.bad, vectors, status, strict=False):
        shown = repr(content)[:60]
        _require(reason in REASONS, f"{reason!r} is no reason")
        _require(state == reason, f"{shown} is {state!r}, should be {reason!r}")
        _require(bool(np.isnan(vector).all()), f"{shown} is {reason} and has a vector")
    rest = slice(len(cases.bad), None)
    _require(status[rest] == [OK] * len(cases.good), "bad content makes good content missing")
    _require(_close(subject, vectors[rest], expected), "bad content changes the vectors beside it")


def goldens_are_checked(subject: _Subject) -> None:
    """There are golden inputs, and an encoder that answers them differently is refused when it is loaded."""
    manifest = subject.encoder.manifest
    _require(len(manifest.goldens) >= 1, "the manifest has no golden inputs")
    for i, golden in enumerate(manifest.goldens):
        wrong = list(golden.vector)
        wrong[-1] += 3 * manifest.tolerance
        changed = [*manifest.goldens]
        changed[i] = msgspec.structs.replace(golden, vector=wrong)
        _require(_refused(subject, msgspec.structs.replace(manifest, goldens=changed)), f"golden {i} isn't checked")


def files_are_checked(subject: _Subject) -> None:
    """Every file has a checksum, and one that doesn't match is refused."""
    manifest = subject.encoder.manifest
    _require(any(name.endswith(".onnx") for name in manifest.sha256), "the model has no checksum")
    for name in manifest.sha256:
        changed = msgspec.structs.replace(manifest, sha256={**manifest.sha256, name: "0" * 64})
        _require(_refused(subject, changed), f"the checksum of {name} isn't checked")


def provider_is_known(subject: _Subject) -> None:
    """Tell the provider by name, and for each faster one why it isn't the one."""
    encoder = subject.encoder
    _require(encoder.provider in PROVIDERS, f"unknown provider {encoder.provider!r}")
    faster = PROVIDERS[: PROVIDERS.index(encoder.provider)]
    told = [reason.partition(": ")[0] for reason in encoder.steps_down]
    _require(all(name in told for name in faster), f"no reason for each of {faster}: {told}")


def _refused(subject: _Subject, manifest: Manifest) -> bool:
    try:
        subject.load(manifest)
    except BrokenEncoderError:
        return True
    return False


CHECKS: tuple[Callable[[_Subject], None], ...] = (
    vectors_have_their_shape,
    batch_equals_single,
    padding_changes_nothing,
    encoding_is_repeatable,
    missing_has_a_reason,
    goldens_are_checked,
    files_are_checked,
    provider_is_known,
)


def check_encoder(load: Callable[[Manifest], Encoder[Any, Any]], manifest: Manifest, cases: Cases) -> list[str]:
    """Put an encoder through every check.

    Parameters
    ----------
    load : callable
        Makes the encoder of a manifest.
    manifest : Manifest
        Of an exported encoder, golden inputs included.
    cases : Cases
        What to encode.

    Returns
    -------
    list of str
        Names of the checks, all passed.

    Raises
    ------
    EncoderConformanceError
        The first promise that is broken.
    """
    subject = _Subject(load(manifest), load, cases)
    for check in CHECKS:
        try:
            check(subject)
        except EncoderConformanceError as error:
            msg = f"{manifest.id}: {check.__name__}: {error}"
            raise EncoderConformanceError(msg) from error
    return [check.__name__ for check in CHECKS]
