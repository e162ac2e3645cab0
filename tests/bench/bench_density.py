"""DBSTREAM in arrays against River's, both in one run on one thread, on sets of any shape.

River learns dicts, ours learns arrays in blocks of 2,000; the micro-clusters must be the same, bit for bit, or the
times are not compared: the processor's, the least of three runs each. ARI of the last 2,000 vectors that aren't noise,
in River's own answer and in ours.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from river import cluster
from sklearn.metrics import adjusted_rand_score

from online_models import DBSTREAM, warm_up_kernels
from tests.bench.common import machine, main, print_table, progress
from tests.bench.sets import DENSITY_SETS

__all__ = ["run"]

BLOCK = 2_000
LAST = 2_000
REPEATS = 3


def run(quick: bool = False) -> dict[str, Any]:
    """Measure time and ARI; `quick` takes a fifth of the events."""
    warm_up_kernels()
    rows = [_set(name, quick) for name in DENSITY_SETS]
    columns = ("set", "d", "micro", "river_us", "ours_us", "ratio", "segments", "noise", "ari", "river_ari")
    print_table(
        "DBSTREAM, one thread, us of processor time an event; identical micro-clusters",
        ["set", "d", "micro", "River us", "ours us", "x River", "segments", "noise", "ARI", "River ARI"],
        [[row[name] for name in columns] for row in rows],
    )
    return {"bench": "density", "machine": machine(), "sets": rows}


def _set(name: str, quick: bool) -> dict[str, Any]:
    progress(f"DBSTREAM on {name}")
    settings, make = DENSITY_SETS[name]
    vectors, truth = make(0)
    if quick:
        vectors, truth = vectors[: len(vectors) // 5], truth[: len(truth) // 5]
    rows = [dict(enumerate(vector)) for vector in vectors.tolist()]
    river_us = ours_us = np.inf
    for _ in range(REPEATS):
        peer = cluster.DBSTREAM(**settings)
        began = time.process_time()
        for row in rows:
            peer.learn_one(row)
        river_us = min(river_us, 1e6 * (time.process_time() - began) / len(rows))
        ours = DBSTREAM(**settings)
        began = time.process_time()
        for at in range(0, len(vectors), BLOCK):
            ours.learn_many(vectors[at : at + BLOCK])
        ours_us = min(ours_us, 1e6 * (time.process_time() - began) / len(vectors))
    theirs = peer.micro_clusters
    same = (
        list(theirs) == ours.micro_ids.tolist()
        and [list(micro.center.values()) for micro in theirs.values()] == ours.micro_centers.tolist()
        and [micro.weight for micro in theirs.values()] == ours.micro_weights.tolist()
    )
    if not same:
        msg = f"micro-clusters differ from River's on {name}: the times can't be compared"
        raise RuntimeError(msg)
    labels = ours.predict_many(vectors[-LAST:])
    kept = labels >= 0
    return {
        "set": name,
        "d": vectors.shape[1],
        "micro": len(theirs),
        "river_us": round(river_us, 2),
        "ours_us": round(ours_us, 3),
        "ratio": round(river_us / ours_us),
        "segments": len(ours.segment_ids),
        "noise": round(1 - float(kept.mean()), 4),
        "ari": round(float(adjusted_rand_score(truth[-LAST:][kept], labels[kept])), 3) if kept.any() else None,
        "river_ari": round(float(adjusted_rand_score(truth[-LAST:], [peer.predict_one(r) for r in rows[-LAST:]])), 3),
    }


if __name__ == "__main__":
    raise SystemExit(main(run))
