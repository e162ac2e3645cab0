"""Names of the Kafka topics, derived from two settings so that two stacks can share a broker."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Topics"]


@dataclass(frozen=True, slots=True)
class Topics:
    """Every topic userprism reads or writes.

    Parameters
    ----------
    events : str
        Where producers publish; userprism only reads it (and `replay` and `generate` write to it).
    prefix : str
        First part of the name of every topic that userprism owns.
    """

    events: str = "events"
    prefix: str = "userprism"

    @property
    def clicks(self) -> str:
        """Arrow blocks keyed by person, written by intake in transactions."""
        return f"{self.prefix}.clicks"

    @property
    def content(self) -> str:
        """Pieces of content that people touched, for the encoder."""
        return f"{self.prefix}.content"

    @property
    def vectors(self) -> str:
        """Vectors of content, one Arrow block per encoded batch."""
        return f"{self.prefix}.vectors"

    @property
    def dead_letters(self) -> str:
        """Events that were refused, as they came, with the reason in the headers."""
        return f"{self.prefix}.dead-letters"

    @property
    def segment_changes(self) -> str:
        """One record per person and change of segment; at least once, with a stable id."""
        return f"{self.prefix}.segment-changes"

    @property
    def model_updates(self) -> str:
        """What profilers have learnt, for the agent that merges it; one partition."""
        return f"{self.prefix}.model-updates"

    @property
    def segment_stats(self) -> str:
        """One record per profiler's partition, segmentation and interval of event time; at least once, stable ids."""
        return f"{self.prefix}.segment-stats"

    @property
    def segment_alerts(self) -> str:
        """One record each time an alert begins to fire, fires on or is resolved; at least once."""
        return f"{self.prefix}.segment-alerts"

    @property
    def audiences(self) -> str:
        """One record per person each time an audience is published."""
        return f"{self.prefix}.audiences"

    def of_control(self) -> tuple[str, ...]:
        """Return the topics that the control plane works on, in one partition each: it sees everything in one order."""
        return (self.model_updates, self.segment_stats, self.segment_alerts)

    def owned(self) -> tuple[str, ...]:
        """All topics that `init` creates beside `events`."""
        return (
            self.clicks, self.content, self.vectors, self.dead_letters, self.segment_changes, self.audiences,
            *self.of_control(),
        )  # fmt: skip
