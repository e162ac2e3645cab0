"""How many of the windows that may come next one set of centres can serve, however it was found.

The vectors of a set in random order may come in any other order as well. What comes before the last window says nothing
about which of the rest are in it, so centres made of that serve some of the possible windows and fail the others. If
no two windows can be served by the same centres, then at most one of all is, and that by luck.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from sklearn.cluster import KMeans

__all__ = ["most_served"]


def most_served(windows: list[np.ndarray], k: int, within: float, starts: int = 10) -> int:
    """Return the largest number of windows of which every two can be served by some k centres.

    Two windows can be where the sum of their inertias, each over that of its own batch Lloyd, can be brought to twice
    `within`: a set of centres within that ratio on both would bring it there. Sought by batch Lloyd on both windows,
    from `starts` starts of its own and from the centres of either window.

    Parameters
    ----------
    windows
        Each (n, d).
    k
        Clusters.
    within
        Inertia at most, as a ratio to batch Lloyd's fitted on the window itself.
    starts
        Of every fit.
    """
    alone = [KMeans(k, n_init=starts, random_state=0).fit(window) for window in windows]
    together: set[tuple[int, int]] = set()
    for one, other in combinations(range(len(windows)), 2):
        both = np.vstack([windows[one], windows[other]])
        of_each = [1 / alone[place].inertia_ for place in (one, other)]
        weights = np.repeat(of_each, [len(windows[one]), len(windows[other])])
        fits = [KMeans(k, n_init=starts, random_state=1)]
        fits += [KMeans(k, init=alone[place].cluster_centers_, n_init=1) for place in (one, other)]
        if min(fit.fit(both, sample_weight=weights).inertia_ for fit in fits) <= 2 * within:
            together.add((one, other))
    return _largest([], list(range(len(windows))), together)


def _largest(taken: list[int], left: list[int], together: set[tuple[int, int]]) -> int:
    """Return the size of the largest group in which every two are together."""
    best = len(taken)
    for place, one in enumerate(left):
        if len(taken) + len(left) - place <= best:
            break
        fits = [other for other in left[place + 1 :] if (one, other) in together]
        best = max(best, _largest([*taken, one], fits, together))
    return best
