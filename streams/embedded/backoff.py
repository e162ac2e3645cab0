"""How long to wait before a dead process is started again."""

from __future__ import annotations

__all__ = ["Backoff"]


class Backoff:
    """Delays that double from `first_s` to `most_s`, and begin anew after a life of `healthy_s`.

    Examples
    --------
    >>> backoff = Backoff()
    >>> [backoff.after(lived_s=1.0) for _ in range(6)]
    [0.2, 0.4, 0.8, 1.6, 3.2, 5.0]
    >>> backoff.after(lived_s=31.0)
    0.2
    """

    def __init__(self, first_s: float = 0.2, most_s: float = 5.0, healthy_s: float = 30.0) -> None:
        self._first_s, self._most_s, self._healthy_s = first_s, most_s, healthy_s
        self._next_s = first_s

    def after(self, lived_s: float) -> float:
        """Return the seconds to wait after a life of `lived_s` seconds."""
        if lived_s >= self._healthy_s:
            self._next_s = self._first_s
        delay_s = self._next_s
        self._next_s = min(2 * delay_s, self._most_s)
        return delay_s
