"""Train a model of behaviour on a log and install it: `models train` by another name. Needs torch (extra `train`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from encoders.behaviour.anomaly import AnomalyScorer, profiles
from encoders.behaviour.baskets import Basket, Interactions, Tell, in_silence
from encoders.behaviour.encoder import BehaviourEncoder
from encoders.behaviour.gan import train_gan
from encoders.behaviour.install import Bag, install_anomaly, install_basket_model
from encoders.behaviour.item2vec import train_item2vec
from encoders.behaviour.mixture import fit_mixture
from encoders.behaviour.multdae import train_multdae
from encoders.behaviour.node2vec import train_node2vec
from encoders.contract import Vectors
from encoders.manifest import load_manifest

__all__ = ["BASKET_MODELS", "AnomalyFigures", "area_under_curve", "strangers", "train_anomaly", "train_basket_model"]

_ITEM_DIMS, _DAE_DIMS = 32, 16

_Trained = tuple[torch.nn.Module, int, bool]


def _item2vec(log: Interactions, seed: int, tell: Tell) -> _Trained:
    return Bag(train_item2vec(log, dim=_ITEM_DIMS, epochs=4, seed=seed, tell=tell)), _ITEM_DIMS, True


def _node2vec(log: Interactions, seed: int, tell: Tell) -> _Trained:
    return Bag(train_node2vec(log, dim=_ITEM_DIMS, seed=seed, tell=tell)), _ITEM_DIMS, True


def _multdae(log: Interactions, seed: int, tell: Tell) -> _Trained:
    return train_multdae(log, dim=_DAE_DIMS, epochs=25, seed=seed, tell=tell), _DAE_DIMS, False


#: Kind to what trains it: a log and a seed to a module, its width, and whether its vectors have unit length.
BASKET_MODELS: dict[str, Callable[[Interactions, int, Tell], _Trained]] = {
    "item2vec": _item2vec,
    "node2vec": _node2vec,
    "multdae": _multdae,
}


def train_basket_model(
    kind: str, log: Interactions, models_dir: Path, *, encoder_id: str, version: str, source: str, seed: int = 0,
    tell: Tell = in_silence,
) -> Path:  # fmt: skip
    """Train one of `BASKET_MODELS` and install it as an encoder; return its folder. `tell` hears how far it is.

    Raises
    ------
    BrokenEncoderError
        Graph and torch differ.
    """
    module, dim, unit = BASKET_MODELS[kind](log, seed, tell)
    tell(1.0)
    return install_basket_model(
        module, log.vocabulary, models_dir, encoder_id=encoder_id, version=version, dim=dim,
        pooling="sum of item vectors" if unit else "latent layer", normalised=unit, source=source,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class AnomalyFigures:
    """Area under the curve of strangers against people held out, by each scorer, and which is better."""

    gan: float
    mixture: float
    better: str


def train_anomaly(
    log: Interactions, encoder: BehaviourEncoder, models_dir: Path, *, encoder_id: str, version: str, source: str,
    seed: int = 0, tell: Tell = in_silence,
) -> tuple[Path, AnomalyFigures]:  # fmt: skip
    """Train a GAN and fit a mixture on three quarters of people, install both, the better as ``encoder_id``.

    Parameters
    ----------
    log : Interactions
        At least 40 people.
    encoder : BehaviourEncoder
        Says what people like.
    models_dir, version, source
        As `train_basket_model`'s. The other one is installed beside it as ``<encoder_id>-gan`` or ``-mixture``.
    encoder_id : str
        What the better one is called.
    seed : int
        Of the split, the strangers and the training.
    tell : callable
        Told what share is done.

    Raises
    ------
    ValueError
        Too few people.
    """
    if len(log) < 40:
        msg = f"{len(log)} people in the log; a score of what is unusual needs 40 or more"
        raise ValueError(msg)
    random = np.random.default_rng(seed)
    baskets = log.baskets()
    order = random.permutation(len(baskets))
    usual = [baskets[i] for i in order[: len(order) * 3 // 4]]
    held_out = [baskets[i] for i in order[len(order) * 3 // 4 :]]
    people = _seen(encoder, usual)
    mixture = fit_mixture(people, seed=seed)
    generator, unusual = train_gan(people, seed=seed, tell=tell)
    names = {"gan": f"{encoder_id}-gan", "mixture": f"{encoder_id}-mixture"}
    figures = {}
    for kind, module in (("gan", unusual), ("mixture", mixture)):
        install_anomaly(
            module, people, models_dir, encoder_id=names[kind], version=version, source=source,
            generator=generator if kind == "gan" else None,
        )  # fmt: skip
        scorer = AnomalyScorer(load_manifest(names[kind], models_dir))
        strange = _seen(encoder, strangers(log, seed))
        figures[kind] = area_under_curve(scorer.score(_seen(encoder, held_out)), scorer.score(strange))
    better = "gan" if figures["gan"] > figures["mixture"] else "mixture"
    chosen = unusual if better == "gan" else mixture
    folder = install_anomaly(
        chosen, people, models_dir, encoder_id=encoder_id, version=version, source=f"{better}, {source}",
        generator=generator if better == "gan" else None,
    )  # fmt: skip
    return folder, AnomalyFigures(figures["gan"], figures["mixture"], better)


def strangers(log: Interactions, seed: int, each: int = 200, clicks: int = 20) -> list[Basket]:
    """Return baskets that nobody has: of uniformly random clicks, and of one item clicked as often."""
    random = np.random.default_rng(seed)
    names = np.array(log.vocabulary)
    roaming = [Basket(names[random.integers(len(names), size=clicks)].tolist()) for _ in range(each)]
    return roaming + [Basket([str(random.choice(names))], [float(clicks)]) for _ in range(each)]


def area_under_curve(usual: Vectors, strange: Vectors) -> float:
    """Return the probability that a strange score is above a usual one, ties by half (Mann and Whitney 1947)."""
    both = np.concatenate([usual, strange])
    _, place, count = np.unique(both, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    n, m = len(usual), len(strange)
    return round(float((rank[n:].sum() - m * (m + 1) / 2) / (n * m)), 4)


def _seen(encoder: BehaviourEncoder, baskets: list[Basket]) -> Vectors:
    return profiles(encoder.lookup(baskets)[0], baskets)
