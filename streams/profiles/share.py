"""What a segmentation has told the agent that merges, and what of it has come back."""

from __future__ import annotations

import math
from typing import Any

import numpy.typing as npt

from online_models import StandardScaler

__all__ = ["Share"]

#: An update goes out after so many vectors (DESIGN 9: 1-10 k), or so many seconds where there are fewer.
_UPDATE_VECTORS = 5_000
_UPDATE_S = 5.0
#: A proposal that nothing has come of is made again after so long: the agent may have been away.
_PROPOSE_AGAIN_S = 30.0


class Share:
    """One learner's part of one segmentation.

    Parameters
    ----------
    worker : str
        Name of this life of this process.
    leader : bool
        Whether this one proposes fits. Who owns partition 0 does: people are spread over partitions by a hash, so
        any profiler's are a fair sample, and partition 0 has one owner.
    """

    def __init__(self, worker: str, *, leader: bool) -> None:
        self.worker, self.leader = worker, leader
        self._fresh = StandardScaler()
        self._sent: list[tuple[int, StandardScaler]] = []
        self._sent_vectors = 0
        self._sent_at = -math.inf
        self._proposed_at = -math.inf

    def learn(self, raw: npt.NDArray[Any]) -> None:
        """Take in mean and spread of raw vectors."""
        self._fresh.learn_many(raw)

    def update_due(self, pending: int, now_s: float) -> bool:
        """Whether to tell the agent of so many vectors that are in no version yet; unanswered ones are told again."""
        return pending > 0 and (pending - self._sent_vectors >= _UPDATE_VECTORS or now_s - self._sent_at >= _UPDATE_S)

    def sending(self, number: int, pending: int, now_s: float) -> bytes:
        """Return the moments that go with update `number`: everything that is in no version yet."""
        self._sent.append((number, self._fresh))
        self._fresh = StandardScaler()
        self._sent_vectors, self._sent_at = pending, now_s
        total = StandardScaler()
        for _, part in self._sent:
            total.merge(part)
        return total.snapshot()

    def included(self, number: int) -> None:
        """Take note that a version holds everything up to update `number`."""
        self._sent = [(sent, part) for sent, part in self._sent if sent > number]
        self._sent_vectors = 0

    def may_propose(self, now_s: float) -> bool:
        """Whether a fit may be proposed now."""
        return self.leader and not self.waits(now_s)

    def proposing(self, now_s: float) -> None:
        """Take note that a fit is proposed."""
        self._proposed_at = now_s

    def waits(self, now_s: float) -> bool:
        """Whether a proposal is on its way."""
        return now_s - self._proposed_at < _PROPOSE_AGAIN_S

    def begin_again(self) -> None:
        """Forget what was on its way: a fit has taken its place."""
        self._fresh = StandardScaler()
        self._sent.clear()
        self._sent_vectors = 0
        self._proposed_at = -math.inf
