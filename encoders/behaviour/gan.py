"""A GAN over profiles (Goodfellow et al. 2014, arXiv:1406.2661): synthetic people, and a score of unusual ones.

The discriminator learns what the generator gets wrong, not what is rare, and what neither shows it, it may take for
real: on the planted log somebody who touched one item twenty times is more real to it than anybody (area under the
curve 0.00), so its score loses to `mixture` (.26 to .44 against .92 to .96). The signs are right; noise
wider than the data as a third kind of example was tried (.52 and .66 on a small log, depending on when training ends)
and left. Hold it against `mixture`. Needs torch.
"""

from __future__ import annotations

import torch

from encoders.contract import Vectors

__all__ = ["NOISE", "Discriminator", "Generator", "train_gan"]

#: Width of what the generator is fed.
NOISE = 16
_HIDDEN, _BATCH = 64, 256


class Generator(torch.nn.Module):
    """From noise (n, `NOISE`) to profiles (n, dim) on the scale of the real ones."""

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, mean: torch.Tensor, spread: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread)
        self.net = torch.nn.Sequential(
            torch.nn.Linear(NOISE, _HIDDEN), torch.nn.LeakyReLU(0.2),
            torch.nn.Linear(_HIDDEN, _HIDDEN), torch.nn.LeakyReLU(0.2),
            torch.nn.Linear(_HIDDEN, len(mean)),
        )  # fmt: skip

    def forward(self, noise: torch.Tensor) -> torch.Tensor:
        """Return profiles."""
        made: torch.Tensor = self.net(noise) * self.spread + self.mean
        return made


class Discriminator(torch.nn.Module):
    """From profiles (n, dim) to scores (n, 1): the logit of being made up."""

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, mean: torch.Tensor, spread: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread)
        self.net = torch.nn.Sequential(
            torch.nn.Linear(len(mean), _HIDDEN), torch.nn.LeakyReLU(0.2), torch.nn.Dropout(0.2),
            torch.nn.Linear(_HIDDEN, _HIDDEN), torch.nn.LeakyReLU(0.2), torch.nn.Dropout(0.2),
            torch.nn.Linear(_HIDDEN, 1),
        )  # fmt: skip

    def forward(self, profiles: torch.Tensor) -> torch.Tensor:
        """Return scores; more is more unusual."""
        score: torch.Tensor = self.net((profiles - self.mean) / self.spread)
        return score


def train_gan(people: Vectors, *, epochs: int = 30, seed: int = 0) -> tuple[Generator, Discriminator]:
    """Train on profiles float32 (n, dim); return both networks in evaluation mode.

    Real profiles get a little noise, or the discriminator tells them by their discrete parts alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        data = torch.from_numpy(people)
        mean, spread = data.mean(dim=0), data.std(dim=0).clamp(min=1e-6)
        generator, discriminator = Generator(mean, spread), Discriminator(mean, spread)
        makes = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        judges = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        loss_of = torch.nn.functional.softplus
        for _ in range(epochs):
            for part in torch.randperm(len(data)).split(_BATCH):  # type: ignore[no-untyped-call]
                real = data[part] + 0.05 * spread * torch.randn(len(part), data.shape[1])
                made = generator(torch.randn(len(part), NOISE))
                loss = loss_of(discriminator(real)).mean() + loss_of(-discriminator(made.detach())).mean()
                judges.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                judges.step()
                fooled = loss_of(discriminator(made)).mean()
                makes.zero_grad()
                fooled.backward()  # type: ignore[no-untyped-call]
                makes.step()
    return generator.eval(), discriminator.eval()
