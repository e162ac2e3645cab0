"""Unusual people get higher scores, by the mixture and by the GAN, from ONNX as from torch."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

from encoders import BrokenEncoderError, load_manifest
from encoders.behaviour import AnomalyScorer, Basket, profiles
from encoders.behaviour.gan import NOISE, train_gan
from encoders.behaviour.install import install_anomaly
from encoders.behaviour.mixture import fit_mixture
from encoders.contract import Vectors
from encoders.session import Session


@pytest.fixture(scope="module")
def people() -> Vectors:
    """Two clouds in 4 dimensions."""
    random = np.random.default_rng(0)
    return (random.normal(size=(800, 4)) * 0.3 + random.choice([-2.0, 2.0], (800, 1))).astype(np.float32)


def test_the_mixture_finds_what_lies_between_and_beyond(people: Vectors, tmp_path: Path) -> None:
    model = fit_mixture(people, components=4)
    install_anomaly(model, people, tmp_path, encoder_id="mixture", version="1", source="a test")
    scorer = AnomalyScorer(load_manifest("mixture", tmp_path))
    strange = np.array([[0, 0, 0, 0], [9, 9, 9, 9], [2, -2, 2, -2]], np.float32)

    assert scorer.score(strange).min() > np.quantile(scorer.score(people), 0.99)
    with torch.no_grad():
        expected = model(torch.from_numpy(people)).numpy()[:, 0]
    np.testing.assert_allclose(scorer.score(people), expected, rtol=1e-4, atol=1e-4)


def test_the_gan_makes_people_and_tells_the_far_ones(people: Vectors, tmp_path: Path) -> None:
    people = np.abs(people)  # one cloud: a GAN this small settles on one of two
    generator, unusual = train_gan(people, seed=1)
    install_anomaly(unusual, people, tmp_path, encoder_id="gan", version="1", source="a test", generator=generator)
    scorer = AnomalyScorer(load_manifest("gan", tmp_path))
    noise = np.random.default_rng(1).normal(size=(500, NOISE)).astype(np.float32)
    made = Session(scorer.manifest.path("generator.onnx")).run(noise=noise)

    assert made.shape == (500, 4)
    assert np.abs(made.mean(axis=0) - people.mean(axis=0)).max() < 1.0
    assert 0.3 < made.std() / people.std() < 3.0
    with torch.no_grad():
        expected = unusual(torch.from_numpy(people)).numpy()[:, 0]
    np.testing.assert_allclose(scorer.score(people), expected, atol=1e-4)
    strange = np.array([[-2, -2, -2, -2], [9, 9, 9, 9], [2, -2, 2, -2], [2, 2, 2, 9]], np.float32)
    assert scorer.score(strange).min() > np.quantile(scorer.score(people), 0.99)


def test_training_twice_gives_the_same(people: Vectors) -> None:
    once, twice = (train_gan(people[:300], steps=20, seed=5)[1] for _ in range(2))
    mixtures = [fit_mixture(people[:300], seed=5).centre.numpy() for _ in range(2)]

    for one, other in zip(once.parameters(), twice.parameters(), strict=True):
        assert torch.equal(one, other)
    np.testing.assert_array_equal(*mixtures)


def test_what_was_changed_and_what_doesnt_fit_is_refused(people: Vectors, tmp_path: Path) -> None:
    install_anomaly(fit_mixture(people), people, tmp_path, encoder_id="mixture", version="1", source="a test")
    manifest = load_manifest("mixture", tmp_path)
    scorer = AnomalyScorer(manifest)
    golden = msgspec.structs.replace(manifest.goldens[0], vector=[manifest.goldens[0].vector[0] + 1])

    with pytest.raises(BrokenEncoderError, match="a golden profile scores"):
        AnomalyScorer(msgspec.structs.replace(manifest, goldens=[golden]))
    for bad in (people[:, :3], np.full((1, 4), np.nan, np.float32)):
        with pytest.raises(ValueError, match="must be finite and"):
            scorer.score(bad)
    assert scorer.score(people[:0]).shape == (0,)


def test_profiles_hold_habits_beside_tastes() -> None:
    latent = np.array([[0.5], [np.nan], [0.1]], np.float32)

    found = profiles(latent, [Basket(["a", "b"], [1.0, 3.0]), Basket(["a"], [20.0]), Basket([])])

    expected = [[0.5, np.log1p(4), 0.5, 0.75], [0.0, np.log1p(20), 0.05, 1.0], [0.1, 0.0, 0.0, 0.0]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
