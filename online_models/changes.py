"""What happened to the set of segments: the record of a change, and which new centre continues which old one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Change", "continue_centres"]


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One segment that came into being.

    Attributes
    ----------
    segment_id
        Its id.
    centre
        Where its centre began, (d,) float64.
    cause
        "warm-up", "swap", "grow" (a centre is added while there are fewer than n_clusters), or the cause given to
        refit.
    learned
        Vectors the model had learned when it happened.
    retired
        Ids that ended at the same stroke: one for a swap, any number for a refit, none otherwise.
    inertia_before, inertia_after
        Sum of squared distances of the vectors that decided (window, warm-up or those given to refit) to their nearest
        centres; before is infinite when there were no centres.
    """

    segment_id: int
    centre: npt.NDArray[np.float64]
    cause: str
    learned: int
    retired: tuple[int, ...]
    inertia_before: float
    inertia_after: float


def continue_centres(
    old: npt.NDArray[np.float64],
    new: npt.NDArray[np.float64],
    radii: npt.NDArray[np.float64],
) -> dict[int, int]:
    """Say which new centre continues which old one.

    A new centre continues an old one when the two are no further apart than the new cluster's radius, and than half the
    way to the nearest other new centre (the old centre is then beyond doubt in the new one's cell). Nearest first.

    Parameters
    ----------
    old, new
        Centres, (k, d) and (m, d).
    radii
        Root mean squared distance of each new cluster's vectors to its centre, (m,).

    Returns
    -------
    dict
        Index of the new centre -> index of the old one; new centres that continue none are left out.
    """
    if not len(old) or not len(new):
        return {}
    apart = np.sqrt(((new[:, None, :] - new[None, :, :]) ** 2).sum(axis=2))
    np.fill_diagonal(apart, np.inf)
    reach = np.minimum(radii, apart.min(axis=1) / 2)
    distances = np.sqrt(((new[:, None, :] - old[None, :, :]) ** 2).sum(axis=2))
    pairs: dict[int, int] = {}
    for flat in np.argsort(distances, axis=None, kind="stable"):
        m, k = (int(index) for index in np.unravel_index(flat, distances.shape))
        if m not in pairs and k not in pairs.values() and distances[m, k] <= reach[m]:
            pairs[m] = k
    return pairs
