"""The projection that brings an encoder's space down to the few dimensions that k-means sees.

It is fixed when the encoder is exported and stored with it: principal directions of a fixed sample of titles, strongest
first, so a narrower projection is a prefix of a wider one.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import block_diag

from encoders.errors import BrokenEncoderError
from encoders.manifest import Manifest

__all__ = ["Projection", "fit_projection", "load_projection"]

Vectors = npt.NDArray[np.float32]

#: Directions drawn where none were fitted.
_DRAWN = 64


@dataclass(frozen=True, slots=True)
class Projection:
    """A centred linear map.

    Attributes
    ----------
    matrix : ndarray of float32, shape (dim, encoder dim)
    mean : ndarray of float32, shape (encoder dim,)
    version : str
    widths : tuple of int
        Of the parts that may be missing (all zeros), where there are several.
    """

    matrix: Vectors
    mean: Vectors
    version: str
    widths: tuple[int, ...] = ()

    @classmethod
    def beside(cls, parts: Sequence[Projection]) -> Projection:
        """Return the projection of vectors that are those of several encoders, one behind the other.

        A part of zeros stands for what is missing: it becomes zeros, the middle, rather than a direction of its own.
        """
        matrix = block_diag(*(part.matrix for part in parts)).astype(np.float32)
        mean = np.concatenate([part.mean for part in parts])
        widths = tuple(part.matrix.shape[1] for part in parts)
        return cls(matrix, mean, " + ".join(part.version for part in parts), widths)

    def apply(self, vectors: Vectors) -> Vectors:
        """Return (n, dim) of vectors (n, encoder dim)."""
        centred = vectors - self.mean
        start = 0
        for width in self.widths:
            part = slice(start, start + width)
            centred[~vectors[:, part].any(axis=1), part] = 0.0
            start += width
        return np.asarray(centred @ self.matrix.T, np.float32)


def load_projection(manifest: Manifest, dim: int) -> Projection:
    """Read the first `dim` directions; of an encoder without any (pictures, mostly) draw them.

    Directions that are drawn keep distances nearly (Johnson and Lindenstrauss 1984), and ask for no sample of content:
    the same seed for everybody, one draw a space.

    Raises
    ------
    BrokenEncoderError
        There are fewer.
    """
    if manifest.projection_version:
        with np.load(manifest.path("projection.npz"), allow_pickle=False) as stored:
            matrix, mean, version = stored["matrix"], stored["mean"], manifest.projection_version
    else:
        random = np.random.default_rng(zlib.crc32(manifest.space_id.encode()))
        drawn, _ = np.linalg.qr(random.normal(size=(manifest.dim, min(manifest.dim, _DRAWN))))
        matrix, mean, version = drawn.T.astype(np.float32), np.zeros(manifest.dim, np.float32), "drawn-1"
    if not 1 <= dim <= len(matrix):
        msg = f"segmentation.interest_dim = {dim}: the projection of {manifest.id} has {len(matrix)} directions"
        raise BrokenEncoderError(msg)
    return Projection(np.ascontiguousarray(matrix[:dim]), mean, version)


def fit_projection(sample: Vectors, dim: int) -> tuple[Vectors, Vectors]:
    """Return (matrix (dim, d), mean (d,)): principal directions of a sample (n, d), signs fixed."""
    mean = sample.mean(axis=0)
    _, _, directions = np.linalg.svd((sample - mean).astype(np.float64), full_matrices=False)
    chosen = directions[:dim]
    signs = np.sign(chosen[np.arange(len(chosen)), np.abs(chosen).argmax(axis=1)])
    return (chosen * signs[:, None]).astype(np.float32), mean.astype(np.float32)
