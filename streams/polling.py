"""Reading a topic without asking for what isn't there.

The embedded broker answers an empty fetch at once, and librdkafka asks again at once: 18,000 fetches a second for each
idle consumer (measured), a whole core for a few of them. So a consumer whose partitions are all read to their ends is
paused until it is polled again, and rests between polls. On Apache Kafka, which holds empty fetches back, this costs
the rest and nothing else.
"""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

__all__ = ["Poller"]

#: An idle consumer looks again after this long: it is the most that freshness loses.
_REST_S = 0.03
_TIMEOUT_S = 5.0


class Poller:
    """Polls a consumer that was created with `enable.partition.eof`.

    Parameters
    ----------
    consumer : Consumer
        Subscribed or assigned; who calls it otherwise (commits, positions) may go on doing so.

    Notes
    -----
    A partition is paused once its end was reported, and resumed when the log's end has moved: resuming on suspicion
    would throw away, with the next pause, an answer that is still on its way.
    """

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._ended: dict[tuple[str, int], int] = {}
        self._looked_at = 0.0

    def consume(self, count: int, wait_s: float) -> list[Message]:
        """Return up to `count` messages, errors and ends of partitions included.

        Waits at most `wait_s` for the first, and less when everything is read; with 0 it doesn't wait at all.
        """
        if self._all_ended():
            rest = self._looked_at + _REST_S - time.monotonic()
            if rest > 0:
                if wait_s == 0:
                    return []
                time.sleep(min(rest, wait_s))
            if not self._wake():
                messages = self._consumer.consume(1, 0)  # serves rebalances and commits
                self._note(messages)
                return messages
        messages = self._consumer.consume(1, wait_s)
        if messages:
            messages += self._consumer.consume(count - 1, 0)
            self._note(messages)
            if len(messages) < count and not self._all_ended() and wait_s > 0:
                more = self._consumer.consume(count - len(messages), min(wait_s, 0.02))
                self._note(more)
                messages += more
        return messages

    def forget(self) -> None:
        """Partitions came, went, or were sought: nothing is known about ends any more."""
        self._ended.clear()

    def _note(self, messages: list[Message]) -> None:
        """Pause what has ended, unless something came behind the end already."""
        new: set[tuple[str, int]] = set()
        for message in messages:
            error = message.error()
            key = (message.topic(), message.partition())
            if error is None:
                if self._ended.pop(key, None) is not None and key not in new:
                    self._set_paused(False, [key])
                new.discard(key)
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001
                self._ended[key] = message.offset()
                new.add(key)
        if new:
            self._set_paused(True, sorted(new))

    def _all_ended(self) -> bool:
        assigned = self._consumer.assignment()
        return bool(assigned) and all((entry.topic, entry.partition) in self._ended for entry in assigned)

    def _wake(self) -> bool:
        """Resume the partitions whose logs have grown; return whether there are any."""
        self._looked_at = time.monotonic()
        grown = []
        try:
            for (topic, partition), end in self._ended.items():
                _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), _TIMEOUT_S)
                if high > end:
                    grown.append((topic, partition))
        except KafkaException:
            return False
        self._set_paused(False, grown)
        for key in grown:
            self._ended.pop(key, None)
        return bool(grown)

    def _set_paused(self, paused: bool, keys: list[tuple[str, int]]) -> None:
        change = self._consumer.pause if paused else self._consumer.resume
        try:
            change([TopicPartition(topic, partition) for topic, partition in keys])
        except KafkaException:  # revoked in this very moment
            self.forget()
