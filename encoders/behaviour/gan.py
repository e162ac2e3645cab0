"""A GAN over profiles (Goodfellow et al. 2014, arXiv:1406.2661): synthetic people, and a score of unusual ones.

The discriminator's verdict (real or made up) is no score: it learns what the generator gets wrong, not what is rare,
and takes what neither shows it for real (area under the curve .26 to .44 on the planted log). What it learned to look
at is one: people far from the others in its last hidden layer are unusual (`Unusual`), on average over discriminators
of the second half of the training, for each looks at what the generator of its time got wrong. Hold it against
`mixture`. Needs torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

import torch

from encoders.behaviour.baskets import Tell, in_silence
from encoders.behaviour.skipgram import one_thread
from encoders.contract import Vectors

__all__ = ["NOISE", "Discriminator", "Generator", "Unusual", "train_gan"]

#: Width of what the generator is fed.
NOISE = 16
_HIDDEN, _BATCH = 64, 256
#: Steps of a training, however many people there are: some seconds. Of 16, 400 and 600 steps the planted log's seeds 0
#: and 1 made areas of .918 and .874, .978 and .944, .963 and .920.
_STEPS = 400
#: Discriminators that are kept, from the second half of the training.
_JUDGES = 8
#: Noise on real and made profiles, in standard deviations, and how sure of a real one the discriminator shall be:
#: without them it wins for good, and what it looks at doesn't change any more.
_NOISE, _SURE = 0.1, 0.9
#: A column further away than this many standard deviations says no more than that.
_FURTHEST = 8.0
#: Share of the mean variance that is added to every direction of the hidden layer: some units are always off.
_RIDGE = 1e-3


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
    """From profiles (n, dim) to verdicts (n, 1): the logit of being made up.

    It sees each standardised column and its square, for what is unusual is so in both directions.
    """

    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, mean: torch.Tensor, spread: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread)
        self.body = torch.nn.Sequential(
            torch.nn.Linear(2 * len(mean), _HIDDEN), torch.nn.LeakyReLU(0.2),
            torch.nn.Linear(_HIDDEN, _HIDDEN), torch.nn.LeakyReLU(0.2),
        )  # fmt: skip
        self.head = torch.nn.Linear(_HIDDEN, 1)

    def hidden(self, profiles: torch.Tensor) -> torch.Tensor:
        """Return the last hidden layer (n, 64)."""
        standard = ((profiles - self.mean) / self.spread).clamp(-_FURTHEST, _FURTHEST)
        found: torch.Tensor = self.body(torch.cat([standard, standard.square() / 4.0], dim=1))
        return found

    def forward(self, profiles: torch.Tensor) -> torch.Tensor:
        """Return verdicts."""
        verdict: torch.Tensor = self.head(self.hidden(profiles))
        return verdict


class Unusual(torch.nn.Module):
    """From profiles (n, dim) to scores (n, 1): how far people are from the others in what discriminators look at.

    The mean over discriminators of Mahalanobis distances in their last hidden layers.

    Parameters
    ----------
    judges : sequence of Discriminator
        At different times of one training.
    people : Tensor, shape (n, dim)
        The others.
    """

    def __init__(self, judges: Sequence[Discriminator], people: torch.Tensor) -> None:
        super().__init__()
        self.judges = torch.nn.ModuleList(judges)
        for number, judge in enumerate(judges):
            hidden = judge.hidden(people)
            covariance = torch.cov(hidden.T)
            covariance = covariance + _RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance))
            # With covariance = L L', the length of L^-1 (x - mean) is the distance.
            whitening = torch.linalg.inv(torch.linalg.cholesky(covariance)).T.contiguous()
            self.register_buffer(f"centre{number}", hidden.mean(dim=0))
            self.register_buffer(f"whitening{number}", whitening)

    def forward(self, profiles: torch.Tensor) -> torch.Tensor:
        """Return scores; more is more unusual."""
        distances = []
        for number, judge in enumerate(self.judges):
            away = judge.hidden(profiles) - self.get_buffer(f"centre{number}")  # type: ignore[operator]
            distances.append((away @ self.get_buffer(f"whitening{number}")).square().sum(dim=1, keepdim=True).sqrt())
        return torch.stack(distances).mean(dim=0)


def train_gan(
    people: Vectors, *, steps: int = _STEPS, seed: int = 0, tell: Tell = in_silence
) -> tuple[Generator, Unusual]:
    """Train on profiles float32 (n, dim); return the generator and a score, in evaluation mode.

    Parameters
    ----------
    people : ndarray of float32, shape (n, dim)
        Real profiles.
    steps : int
        Batches of 256 people, or of all when they are fewer.
    seed : int
        Of initial values, order and noise.
    tell : callable
        Told what share of the steps is done.
    """
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)
        data = torch.from_numpy(people)
        mean, spread = data.mean(dim=0), data.std(dim=0).clamp(min=1e-6)
        generator, discriminator = Generator(mean, spread), Discriminator(mean, spread)
        makes = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        judges = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        loss_of = torch.nn.functional.softplus
        kept = []
        for step in range(steps):
            real = data[torch.randint(len(data), (min(_BATCH, len(data)),))]
            real = real + _NOISE * spread * torch.randn_like(real)
            made = generator(torch.randn(len(real), NOISE)) + _NOISE * spread * torch.randn_like(real)
            said = discriminator(real)
            loss = (
                _SURE * loss_of(said) + (1 - _SURE) * loss_of(-said) + loss_of(-discriminator(made.detach()))
            ).mean()
            judges.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            judges.step()
            fooled = loss_of(discriminator(made)).mean()
            makes.zero_grad()
            fooled.backward()  # type: ignore[no-untyped-call]
            makes.step()
            if step >= steps // 2 and (steps - 1 - step) % max(1, steps // 2 // _JUDGES) == 0:
                kept.append(deepcopy(discriminator))
            tell((step + 1) / steps)
        with torch.no_grad():
            score = Unusual(kept[-_JUDGES:], data)
    return generator.eval(), score.eval()
