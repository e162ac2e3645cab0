"""How far a consumer group is behind, asked from outside the group."""

from __future__ import annotations

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, TopicPartition

from streams.kafka import client_config
from streams.settings import Settings

__all__ = ["GroupLag"]

_TIMEOUT_S = 10.0


class GroupLag:
    """What a group hasn't committed of a topic.

    Parameters
    ----------
    settings : Settings
        Broker and partition count.
    group : str
        Without the prefix: ``intake``, ``profiler``, ``encoder``.
    topic : str
        What it reads.
    committed : bool
        Whether the log ends for this group before the first open transaction.
    """

    def __init__(self, settings: Settings, group: str, topic: str, *, committed: bool = True) -> None:
        self._places = [TopicPartition(topic, number) for number in range(settings.kafka.partitions)]
        self._consumer = Consumer(
            {
                **client_config(settings),
                "group.id": f"{settings.kafka.prefix}.{group}",
                "isolation.level": "read_committed" if committed else "read_uncommitted",
            }
        )

    def records(self) -> int:
        """Return how many offsets are to come (control records count too); 1 when the broker doesn't say."""
        try:
            reached = self._consumer.committed(self._places, _TIMEOUT_S)
            # As times OFFSET_BEGINNING and OFFSET_END ask for the ends of the log, all partitions at once.
            lows, highs = (
                self._consumer.offsets_for_times(
                    [TopicPartition(place.topic, place.partition, which) for place in self._places], _TIMEOUT_S
                )
                for which in (OFFSET_BEGINNING, OFFSET_END)
            )
        except KafkaException:
            return 1
        return sum(
            max(high.offset - (entry.offset if entry.offset >= 0 else low.offset), 0)
            for entry, low, high in zip(reached, lows, highs, strict=True)
        )

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()
