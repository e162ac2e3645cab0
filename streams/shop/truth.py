"""What the shop knows about the events it made; a summary must say the same."""

from __future__ import annotations

from pathlib import Path

import msgspec

__all__ = ["Truth"]


class Truth(msgspec.Struct, kw_only=True):
    """Counts as the contract defines them, and who has which persona.

    Attributes
    ----------
    dead_letters : dict
        Reason -> count.
    personas : dict
        profile_id -> persona.
    tastes : dict
        profile_id -> the person's own mixture of categories, themes and habits (what an oracle would cluster).
    """

    events: int = 0
    accepted: int = 0
    duplicates: int = 0
    late: int = 0
    profiles: int = 0
    dead_letters: dict[str, int] = {}
    personas: dict[str, int] = {}
    tastes: dict[str, list[float]] = {}

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(self))

    @classmethod
    def load(cls, path: Path) -> Truth:
        """Read it back."""
        return msgspec.json.decode(path.read_bytes(), type=cls)

    def counts(self) -> dict[str, object]:
        """Return what a summary can be compared with."""
        return {
            "events": self.events,
            "accepted": self.accepted,
            "dead_letters": dict(sorted(self.dead_letters.items())),
            "duplicates": self.duplicates,
            "late": self.late,
            "profiles": self.profiles,
        }
