"""What an owner needs of the profiles that it decides about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

__all__ = ["Body"]


class Body(Protocol):
    """The profiles that an owner decides about."""

    def exists(self, profile_id: str) -> bool:
        """Return whether there is such a person."""

    def give(self, profile_ids: Sequence[str]) -> list[list[bytes]]:
        """Return each person's state, in pieces that can be merged one by one, and keep nothing of it.

        From now on `user_of` these ids is somebody.
        """

    def keep(self, profile_ids: Sequence[str]) -> None:
        """Count events of these ids as their own again: `user_of` them is nobody from now on."""

    def receive(self, profile_ids: Sequence[str], states: Sequence[bytes], layout: str) -> None:
        """Merge states into people."""

    def take_out(self, profile_ids: Sequence[str], states: Sequence[bytes], layout: str) -> None:
        """Take out of people what can be taken out again of states that were merged into them."""

    def forwarded(self, block: bytes) -> None:
        """Apply events that another owner sent on; their repeats were recognised there."""
