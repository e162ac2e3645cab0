"""By how much something is commoner in a segment than among everybody, and how sure that is."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Lift", "lift_of"]

_Z95 = 1.959964


@dataclass(frozen=True, slots=True)
class Lift:
    """A share of a segment against the same share of everybody.

    Attributes
    ----------
    kind : str
        ``category``, ``event``, ``trait``, ``hour``, ``weekday``, ...
    key : str
        What it is a share of, e.g. ``sale`` or ``device=mobile``.
    lift : float
        Share in the segment / share of everybody; 1 is no difference.
    low, high : float
        95 % interval of the lift.
    share : float
        Share in the segment, 0 to 1.
    people : float
        How many observations of the segment show it.
    """

    kind: str
    key: str
    lift: float
    low: float
    high: float
    share: float
    people: float

    @property
    def sure(self) -> bool:
        """Whether the interval leaves no room for "no difference"."""
        return self.low > 1.0 or self.high < 1.0


def lift_of(kind: str, key: str, with_it: float, of: float, *, everybody_with_it: float, everybody: float) -> Lift:
    """Return the lift of a segment's share over everybody's, with its 95 % interval.

    Parameters
    ----------
    with_it, of : float
        Observations in the segment that show it, and all of them.
    everybody_with_it, everybody : float
        The same of everybody, the segment included.

    Notes
    -----
    The interval of a ratio of shares on the log scale (Katz et al. 1978), with half an observation added to each
    count, so that nothing seen still gives an interval.

    Examples
    --------
    >>> found = lift_of("category", "sale", 60, 100, everybody_with_it=300, everybody=1000)
    >>> round(found.lift, 2), found.sure
    (2.0, True)
    """
    if of <= 0 or everybody <= 0 or everybody_with_it <= 0:
        return Lift(kind, key, 1.0, 0.0, math.inf, 0.0, with_it)
    share, base = with_it / of, everybody_with_it / everybody
    a, b, n, m = with_it + 0.5, everybody_with_it + 0.5, of + 0.5, everybody + 0.5
    middle = math.log((a / n) / (b / m))
    half = _Z95 * math.sqrt(max(1 / a - 1 / n, 0.0) + max(1 / b - 1 / m, 0.0))
    return Lift(kind, key, share / base, math.exp(middle - half), math.exp(middle + half), share, with_it)
