"""The baseline that a GAN must beat: a mixture of Gaussians with diagonal covariances, fitted by EM. Needs torch."""

from __future__ import annotations

import math

import torch

from encoders.contract import Vectors

__all__ = ["Mixture", "fit_mixture"]

#: Variance that every component has at least, in units of the standardised data.
_FLOOR = 1e-2


class Mixture(torch.nn.Module):
    """A mixture over profiles; its score is the negative log likelihood."""

    mean: torch.Tensor
    spread: torch.Tensor
    share: torch.Tensor
    centre: torch.Tensor
    variance: torch.Tensor

    def __init__(self, mean: torch.Tensor, spread: torch.Tensor, components: int) -> None:
        super().__init__()
        dim = len(mean)
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread)
        self.register_buffer("share", torch.full((components,), -math.log(components)))
        self.register_buffer("centre", torch.zeros(components, dim))
        self.register_buffer("variance", torch.ones(components, dim))

    def joint(self, profiles: torch.Tensor) -> torch.Tensor:
        """Return log(share * density) of standardised profiles, (n, components)."""
        # Written out as three products, which ONNX runs without an (n, components, dim) block in between.
        inverse = 1.0 / self.variance
        square = profiles.square() @ inverse.T - 2.0 * profiles @ (self.centre * inverse).T
        square = square + (self.centre.square() * inverse).sum(dim=1)
        constant = self.variance.log().sum(dim=1) + profiles.shape[1] * math.log(2 * math.pi)
        return self.share - 0.5 * (square + constant)

    def forward(self, profiles: torch.Tensor) -> torch.Tensor:
        """Return scores (n, 1) of profiles (n, dim)."""
        standard = (profiles - self.mean) / self.spread
        return -torch.logsumexp(self.joint(standard), dim=1, keepdim=True)


def fit_mixture(people: Vectors, *, components: int = 16, rounds: int = 60, seed: int = 0) -> Mixture:
    """Fit to profiles float32 (n, dim), from `components` of them as first centres."""
    generator = torch.Generator().manual_seed(seed)
    data = torch.from_numpy(people)
    model = Mixture(data.mean(dim=0), data.std(dim=0).clamp(min=1e-6), components)
    standard = (data - model.mean) / model.spread
    model.centre = standard[torch.randperm(len(data), generator=generator)[:components]].clone()
    for _ in range(rounds):
        part = torch.softmax(model.joint(standard), dim=1)
        mass = part.sum(dim=0) + 1e-6
        model.centre = (part.T @ standard) / mass[:, None]
        second = (part.T @ standard.square()) / mass[:, None]
        model.variance = (second - model.centre.square()).clamp(min=_FLOOR)
        model.share = (mass / mass.sum()).log()
    return model.eval()
