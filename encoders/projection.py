"""The projection that brings an encoder's space down to the few dimensions that k-means sees.

It is fixed when the encoder is exported and stored with it: principal directions of a fixed sample of titles, strongest
first, so a narrower projection is a prefix of a wider one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from encoders.errors import BrokenEncoderError
from encoders.manifest import Manifest

__all__ = ["Projection", "fit_projection", "load_projection"]

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Projection:
    """A centred linear map.

    Attributes
    ----------
    matrix : ndarray of float32, shape (dim, encoder dim)
    mean : ndarray of float32, shape (encoder dim,)
    version : str
    """

    matrix: Vectors
    mean: Vectors
    version: str

    def apply(self, vectors: Vectors) -> Vectors:
        """Return (n, dim) of vectors (n, encoder dim)."""
        return np.asarray((vectors - self.mean) @ self.matrix.T, np.float32)


def load_projection(manifest: Manifest, dim: int) -> Projection:
    """Read the first `dim` directions.

    Raises
    ------
    BrokenEncoderError
        The stored projection has fewer, or none is stored.
    """
    if not manifest.projection_version:
        msg = f"encoder {manifest.id} has no projection; its vectors can't enter k-means"
        raise BrokenEncoderError(msg)
    with np.load(manifest.path("projection.npz"), allow_pickle=False) as stored:
        matrix, mean = stored["matrix"], stored["mean"]
    if not 1 <= dim <= len(matrix):
        msg = f"segmentation.interest_dim = {dim}: the projection of {manifest.id} has {len(matrix)} directions"
        raise BrokenEncoderError(msg)
    return Projection(np.ascontiguousarray(matrix[:dim]), mean, manifest.projection_version)


def fit_projection(sample: Vectors, dim: int) -> tuple[Vectors, Vectors]:
    """Return (matrix (dim, d), mean (d,)): principal directions of a sample (n, d), signs fixed."""
    mean = sample.mean(axis=0)
    _, _, directions = np.linalg.svd((sample - mean).astype(np.float64), full_matrices=False)
    chosen = directions[:dim]
    signs = np.sign(chosen[np.arange(len(chosen)), np.abs(chosen).argmax(axis=1)])
    return (chosen * signs[:, None]).astype(np.float32), mean.astype(np.float32)
