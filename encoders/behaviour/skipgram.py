"""Skip-gram and CBOW with negative sampling (Mikolov et al. 2013, arXiv:1310.4546) over numbers. Needs torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["Mode", "one_thread", "train_table", "windows"]

Mode = Literal["skipgram", "cbow"]

#: Examples in a step at most; a small log still takes some fifty steps an epoch.
_BATCH, _STEPS = 8_192, 50
_LEARNING_RATE = 0.01


def windows(
    things: npt.NDArray[np.int64], sequence: npt.NDArray[np.int64], window: int
) -> npt.NDArray[np.int64]:  # fmt: skip
    """Return what stands around each thing, int64 (n, 2 * window), 0 where its sequence has ended.

    Parameters
    ----------
    things : ndarray of int64, shape (n,)
        Numbers from 1 on, one sequence after the other.
    sequence : ndarray of int64, shape (n,)
        Which sequence each belongs to.
    window : int
        How far around.
    """
    around = np.zeros((len(things), 2 * window), np.int64)
    for offset in range(1, min(window, len(things) - 1) + 1):
        same = sequence[offset:] == sequence[:-offset]
        around[:-offset, 2 * offset - 2][same] = things[offset:][same]
        around[offset:, 2 * offset - 1][same] = things[:-offset][same]
    return around


def train_table(
    epochs: Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]], count: npt.NDArray[np.int64], *,
    dim: int, mode: Mode, negatives: int, seed: int,
) -> npt.NDArray[np.float32]:  # fmt: skip
    """Return vectors float32 (things + 1, dim); row 0, the unknown's, is zero.

    Parameters
    ----------
    epochs : iterator of (centres (n,), around (n, 2 * window))
        One entry an epoch, as `windows` makes them.
    count : ndarray of int64, shape (things + 1,)
        How often each thing is seen; negatives are drawn by its power .75, as in the paper.
    dim : int
        Width.
    mode : {"skipgram", "cbow"}
        Each neighbour predicts the centre for itself, or their mean does.
    negatives : int
        Things drawn beside each centre.
    seed : int
        Of initial values and draws.
    """
    generator = torch.Generator().manual_seed(seed)
    things = len(count)
    inner = (torch.rand(things, dim, generator=generator) - 0.5) / dim
    inner[0] = 0.0
    inner.requires_grad_()
    outer = torch.zeros(things, dim, requires_grad=True)
    optimiser = torch.optim.Adam([inner, outer], lr=_LEARNING_RATE)
    share = torch.from_numpy(np.where(np.arange(things) > 0, count, 0) ** 0.75).float()
    with one_thread():
        for centres, around in epochs:
            context, target = _examples(centres, around, mode)
            order = torch.randperm(len(target), generator=generator)
            size = min(_BATCH, max(64, len(target) // _STEPS))
            for part in order.split(size):  # type: ignore[no-untyped-call]
                seen, wanted = context[part], target[part]
                drawn = torch.multinomial(share, len(part) * negatives, replacement=True, generator=generator)
                loss = _loss(inner, outer, seen, torch.cat([wanted[:, None], drawn.view(len(part), negatives)], dim=1))
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                inner.grad[0] = 0.0  # type: ignore[index]
                optimiser.step()
    table: npt.NDArray[np.float32] = inner.detach().numpy().copy()
    return table


@contextmanager
def one_thread() -> Iterator[None]:
    """Let one thread add up the gradients of rows that come several times: with two the order of adding varies."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _examples(
    centres: npt.NDArray[np.int64], around: npt.NDArray[np.int64], mode: Mode
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return contexts (n, 1 or 2 * window), 0 where there is none, and the thing each must predict (n,)."""
    if mode == "cbow":
        some = around.any(axis=1)
        return torch.from_numpy(around[some]), torch.from_numpy(centres[some])
    row, column = np.nonzero(around)
    return torch.from_numpy(around[row, column][:, None]), torch.from_numpy(centres[row])


def _loss(inner: torch.Tensor, outer: torch.Tensor, context: torch.Tensor, tried: torch.Tensor) -> torch.Tensor:
    """Return the mean loss; the first of `tried` (n, 1 + negatives) is the right one."""
    present = (context > 0).sum(dim=1, keepdim=True).clamp(min=1)
    mean = inner[context].sum(dim=1) / present
    score = torch.einsum("nd,nkd->nk", mean, outer[tried])
    sign = torch.full_like(score, -1.0)
    sign[:, 0] = 1.0
    return -torch.nn.functional.logsigmoid(sign * score).sum(dim=1).mean()
