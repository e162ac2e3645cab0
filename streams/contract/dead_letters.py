"""Dead letters: events that were refused, as they came, with what is needed to understand and replay them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["CONTRACT", "DeadLetter", "from_record"]

#: Where an event is refused; whatever else refuses something says so itself.
CONTRACT = "contract"

#: (name, value) as Kafka has them.
Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused event.

    Attributes
    ----------
    index : int
        Which event of the value it is; a value with several events is kept whole with each refused one.
    at_ms : int
        When it was refused, wall clock.
    step : str
        Who refused it; only what the contract refused can be sent again.
    """

    topic: str
    partition: int
    offset: int
    index: int
    reason: str
    at_ms: int
    key: bytes | None
    value: bytes
    headers: Headers
    step: str = CONTRACT

    def record_headers(self) -> Headers:
        """Return its own headers and ours: `dlq_reason`, `dlq_step`, `dlq_timestamp` and where it came from."""
        ours = {
            "dlq_reason": self.reason,
            "dlq_step": self.step,
            "dlq_timestamp": str(self.at_ms),
            "dlq_topic": self.topic,
            "dlq_partition": str(self.partition),
            "dlq_offset": str(self.offset),
            "dlq_index": str(self.index),
        }
        return [*self.headers, *((name, value.encode()) for name, value in ours.items())]


def from_record(key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]) -> DeadLetter:
    """Read one back from its Kafka record.

    Raises
    ------
    KeyError, ValueError
        A record that userprism didn't write.
    """
    last = {name: (text or b"").decode("utf-8", "replace") for name, text in headers}
    return DeadLetter(
        topic=last["dlq_topic"],
        partition=int(last["dlq_partition"]),
        offset=int(last["dlq_offset"]),
        index=int(last["dlq_index"]),
        reason=last["dlq_reason"],
        at_ms=int(last["dlq_timestamp"]),
        key=key,
        value=value or b"",
        headers=[(name, text) for name, text in headers if not name.startswith("dlq_")],
        step=last.get("dlq_step", CONTRACT),
    )
