"""Silhouette and BIC against their formulas, and what they advise on sets whose k is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from online_models import NotFiniteError, ShapeError, bic, choose_k, simplified_silhouette

from .test_adaptive import CORNERS, blobs


def test_silhouette_is_its_formula() -> None:
    vectors, centers = np.random.default_rng(0).normal(size=(2, 40, 3))
    centers = centers[:5]
    distances = np.sort(np.sqrt(((vectors[:, None] - centers[None]) ** 2).sum(axis=2)), axis=1)
    expected = ((distances[:, 1] - distances[:, 0]) / distances[:, 1]).mean()
    assert simplified_silhouette(vectors, centers) == pytest.approx(expected, rel=1e-12)
    assert math.isnan(simplified_silhouette(vectors, centers[:1]))
    assert simplified_silhouette(np.zeros((3, 2)), np.zeros((2, 2))) == 0.0


def test_bic_is_the_likelihood_of_spherical_gaussians() -> None:
    vectors = blobs(CORNERS, 200, 0.7)
    squared = ((vectors[:, None] - CORNERS[None]) ** 2).sum(axis=2)
    labels = squared.argmin(axis=1)
    n, k, d = 200, 4, 2
    variance = squared.min(axis=1).sum() / (d * (n - k))
    log_likelihood = sum(
        math.log((labels == label).mean()) + multivariate_normal(CORNERS[label], variance * np.eye(d)).logpdf(vector)
        for vector, label in zip(vectors, labels, strict=True)
    )
    # X-means' own term d (n - k) / 2 is the exponent's sum: inertia / (2 variance)
    assert bic(vectors, CORNERS) == pytest.approx((k * (d + 1)) * math.log(n) - 2 * log_likelihood, rel=1e-9)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_both_find_k_where_it_is_plain(seed: int) -> None:
    centers = 5 * np.eye(8)[:7]
    advice = choose_k(blobs(centers, 1_500, 0.8, seed).astype(np.float32), range(2, 12), seed)
    assert (advice.by_silhouette, advice.by_bic) == (7, 7)
    assert [choice.k for choice in advice.table] == list(range(2, 12))
    inertias = [choice.inertia for choice in advice.table]
    assert inertias == sorted(inertias, reverse=True)
    assert advice == choose_k(blobs(centers, 1_500, 0.8, seed).astype(np.float32), range(2, 12), seed)


def test_fewer_distinct_vectors_than_segments() -> None:
    advice = choose_k(np.repeat(CORNERS, 5, axis=0), [1, 4, 6], seed=0)
    assert [choice.found for choice in advice.table] == [1, 4, 4]
    assert advice.by_silhouette == 4
    assert math.isnan(advice.table[0].silhouette)
    assert advice.table[1].bic == -math.inf
    assert advice.table[1].smallest == 0.25
    assert choose_k(CORNERS, [1], seed=0).by_silhouette is None


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="below the number of vectors"):
        choose_k(CORNERS, [4])
    with pytest.raises(ValueError, match="at least 1"):
        choose_k(CORNERS, [])
    with pytest.raises(NotFiniteError):
        choose_k(np.array([[1.0], [np.nan], [2.0]]), [1])
    with pytest.raises(ShapeError, match="more vectors than centres"):
        bic(CORNERS, CORNERS)
    with pytest.raises(ShapeError, match="at least one vector"):
        simplified_silhouette(CORNERS[:0], CORNERS)
