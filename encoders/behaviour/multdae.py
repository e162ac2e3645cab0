"""Mult-DAE (Liang et al. 2018, arXiv:1802.05814): a denoising autoencoder of baskets, multinomial loss. Needs torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from encoders.behaviour.baskets import Interactions, Tell, in_silence
from encoders.behaviour.skipgram import one_thread

__all__ = ["Entries", "MultDAE", "loss_of", "train_multdae"]

_BATCH = 256


@dataclass(frozen=True)
class Entries:
    """Entries of some people, one after the other: whose row, which item, how much, and where each row begins."""

    row: torch.Tensor
    item: torch.Tensor
    weight: torch.Tensor
    start: torch.Tensor

    @classmethod
    def of(cls, log: Interactions, people: npt.NDArray[np.int64]) -> Entries:
        """Return the entries of some rows of a log."""
        count = np.diff(log.start)[people]
        start = np.cumsum(count) - count
        row = np.repeat(np.arange(len(people)), count)
        place = np.arange(len(row)) - start[row] + log.start[people][row]
        found = row, log.items[place], log.weights[place], start
        return cls(*(torch.from_numpy(array) for array in found))

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sums (people,) of values of entries."""
        return torch.zeros(len(self.start)).index_add_(0, self.row, values)


class MultDAE(torch.nn.Module):
    """One hidden layer of tanh between a basket of unit length and the logits of every item.

    Parameters
    ----------
    items : int
        Known items.
    dim : int
        Width of the latent vector.
    """

    def __init__(self, items: int, dim: int) -> None:
        super().__init__()
        # A table rather than a matrix: a basket is looked up, its few items are summed.
        self.table = torch.nn.Embedding(items + 1, dim, padding_idx=0)
        torch.nn.init.xavier_normal_(self.table.weight)
        with torch.no_grad():
            self.table.weight[0] = 0.0
        self.bias = torch.nn.Parameter(torch.zeros(dim))
        self.decoder = torch.nn.Linear(dim, items)

    def forward(self, items: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Return latent vectors (batch, dim) of items int64 and weights float32, both (batch, items)."""
        much = weights * (items > 0)
        length = much.square().sum(dim=1, keepdim=True).sqrt()
        total = (self.table(items) * much[:, :, None]).sum(dim=1) / length.clamp(min=1e-12)
        # Nothing known: zeros, not the bias, so that nobody takes it for a taste.
        return torch.tanh(total + self.bias) * (length > 0)

    def dense_latent(self, baskets: torch.Tensor) -> torch.Tensor:
        """Return the same of dense baskets (batch, 1 + items), whose column 0 is empty."""
        unit = torch.nn.functional.normalize(baskets, dim=1)
        return torch.tanh(unit @ self.table.weight + self.bias)


def loss_of(model: MultDAE, baskets: Entries, dropout: float) -> torch.Tensor:
    """Return the mean negative log likelihood of whole baskets, given some of each.

    The same as with dense baskets (people, items), without their zeros.
    """
    unit = baskets.weight / baskets.sum(baskets.weight.square()).sqrt()[baskets.row]
    seen = torch.nn.functional.embedding_bag(
        baskets.item, model.table.weight, baskets.start, mode="sum",
        per_sample_weights=torch.nn.functional.dropout(unit, dropout),
    )  # fmt: skip
    logits = model.decoder(torch.tanh(seen + model.bias))
    asked = baskets.sum(baskets.weight * logits[baskets.row, baskets.item - 1])
    loss: torch.Tensor = (baskets.sum(baskets.weight) * logits.logsumexp(dim=1) - asked).mean()
    return loss


def train_multdae(
    log: Interactions, *, dim: int = 16, epochs: int = 40, dropout: float = 0.5, learning_rate: float = 3e-3,
    decay: float = 1e-5, seed: int = 0, tell: Tell = in_silence,
) -> MultDAE:  # fmt: skip
    """Train on everybody's basket.

    Parameters
    ----------
    log : Interactions
        What people touched.
    dim : int
        Width of the latent vector.
    epochs : int
        Passes over all people.
    dropout : float
        Share of a basket that is hidden from the encoder and still asked for.
    learning_rate, decay : float
        Of Adam.
    seed : int
        Of initial values, order and dropout.
    tell : callable
        Told what share is done.

    Returns
    -------
    MultDAE
        In evaluation mode.
    """
    with torch.random.fork_rng(devices=[]), one_thread():
        torch.manual_seed(seed)
        model = MultDAE(len(log.vocabulary), dim)
        optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=decay)
        for epoch in range(epochs):
            tell(epoch / epochs)
            for part in torch.randperm(len(log)).split(_BATCH):  # type: ignore[no-untyped-call]
                loss = loss_of(model, Entries.of(log, part.numpy()), dropout)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
    with torch.no_grad():
        model.table.weight[0] = 0.0
    return model.eval()
