"""Reading a topic without asking for what isn't there.

The embedded broker answers an empty fetch at once, and librdkafka asks again at once: 18,000 fetches a second for each
idle consumer (measured), a whole core for a few of them. So a partition that is read to its end is paused until its log
has grown, and a consumer whose partitions all are rests between looks. On Apache Kafka, which holds empty fetches back,
this costs the rest and nothing else.
"""

from __future__ import annotations

import contextlib
import time

from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.kafka import place_of

__all__ = ["Poller"]

#: An idle consumer looks again after this long: it is the most that freshness loses.
_REST_S = 0.03
#: A batch that is smaller than asked for waits this long for more.
_FILL_S = 0.02
_TIMEOUT_S = 5.0


class Poller:
    """Polls a consumer that was created with `enable.partition.eof`.

    Parameters
    ----------
    consumer : Consumer
        Subscribed or assigned; who calls it otherwise (commits, positions) may go on doing so.
    fill_s : float
        How long a batch that is smaller than asked for waits for more: 0 where each message is work enough.

    Notes
    -----
    A partition is paused once its end was reported, and resumed when the log's end has moved: resuming on suspicion
    would throw away, with the next pause, an answer that is still on its way.
    """

    def __init__(self, consumer: Consumer, fill_s: float = _FILL_S) -> None:
        self._consumer, self._fill_s = consumer, fill_s
        self._ended: dict[tuple[str, int], int] = {}
        self._looked_at = 0.0
        self._resumed = False  # and nothing has come since

    def consume(self, count: int, wait_s: float) -> list[Message]:
        """Return up to `count` messages, errors and ends of partitions included.

        Waits at most `wait_s` for the first, and less when everything is read; with 0 it doesn't wait at all.
        """
        if self._ended:
            rest_s = self._looked_at + _REST_S - time.monotonic()
            if rest_s > 0 and wait_s > 0 and self._all_ended():
                time.sleep(min(rest_s, wait_s))
                rest_s = 0.0
            if rest_s <= 0:
                self._wake()
            if self._all_ended():
                wait_s = 0.0
        if self._resumed:
            self._poke()
        messages = self._consumer.consume(1, wait_s)  # even with nothing to come: it serves rebalances and commits
        if messages:
            self._resumed = False
            messages += self._consumer.consume(count - 1, 0)
            self._note(messages)
            fill_s = min(wait_s, self._fill_s)
            if len(messages) < count and fill_s > 0 and not self._all_ended():
                more = self._consumer.consume(count - len(messages), fill_s)
                self._note(more)
                messages += more
        return messages

    def behind(self) -> int:
        """Return how many offsets of the assigned partitions are to come, as far as the broker has said; never asks it.

        Nothing is to come of a partition that was read to its end; of another one, control records count too.
        """
        left = 0
        for place in self._consumer.position(self._consumer.assignment()):
            if (place.topic, place.partition) not in self._ended:
                low, high = self._consumer.get_watermark_offsets(place, cached=True) or (0, 0)
                left += max(high - max(place.offset, low, 0), 0)
        return left

    def forget(self) -> None:
        """Partitions came, went, or were sought: nothing is known of ends any more, and nothing is paused for one."""
        ended = list(self._ended)
        self._ended.clear()
        self._set_paused(False, ended)

    def _note(self, messages: list[Message]) -> None:
        """Pause what has ended, unless something came behind the end already."""
        if not self._ended and not any(map(Message.error, messages)):
            return  # amid a long log there is nothing to note, and a batch has tens of thousands of messages
        new: set[tuple[str, int]] = set()
        for message in messages:
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001
                continue  # the caller's business; it may be about no partition at all
            place = place_of(message)
            key = place.topic, place.partition
            if error is None:
                if self._ended.pop(key, None) is not None and key not in new:
                    self._set_paused(False, [key])
                new.discard(key)
            else:
                self._ended[key] = place.offset
                new.add(key)
        if new:
            self._set_paused(True, sorted(new))

    def _all_ended(self) -> bool:
        assigned = self._consumer.assignment()
        return bool(assigned) and all((entry.topic, entry.partition) in self._ended for entry in assigned)

    def _wake(self) -> None:
        """Resume the partitions whose logs have grown."""
        self._looked_at = time.monotonic()
        asked = [TopicPartition(topic, partition, OFFSET_END) for topic, partition in self._ended]
        try:
            # As a time OFFSET_END asks for the end (ListOffsets), for all partitions at once.
            ends = self._consumer.offsets_for_times(asked, _TIMEOUT_S)
        except KafkaException:
            return
        grown = [
            (end.topic, end.partition)
            for end in ends
            if end.error is None and end.offset > self._ended[end.topic, end.partition]
        ]
        self._set_paused(False, grown)
        for key in grown:
            self._ended.pop(key, None)

    def _poke(self) -> None:
        """Ask the broker something: after a resume librdkafka's thread sleeps on for up to a second (measured)."""
        for entry in self._consumer.assignment()[:1]:
            with contextlib.suppress(KafkaException):
                self._consumer.offsets_for_times([TopicPartition(entry.topic, entry.partition, OFFSET_END)], _TIMEOUT_S)

    def _set_paused(self, paused: bool, keys: list[tuple[str, int]]) -> None:
        if not keys:
            return
        self._resumed |= not paused
        change = self._consumer.pause if paused else self._consumer.resume
        try:
            change([TopicPartition(topic, partition) for topic, partition in keys])
        except KafkaException:  # revoked in this very moment
            self.forget()
