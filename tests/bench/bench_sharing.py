"""One k-means among 1, 2, 4 and 8 learners, merged every 10,000 events, under mild drift; adding deltas as a warning.

Error: mean squared distance of each vector to the nearest centre its learner had before it learned the vector's block;
1 is what a single learner has. Adding deltas is what looks like the obvious way to merge: every learner's movement
since the last version, summed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from online_models import KMeans, LocalLearner, Merger, SharedModel, warm_up_kernels
from tests.bench.common import machine, main, print_table, progress
from tests.bench.sets import mixture

__all__ = ["PER_MERGE", "drifting", "prequential", "run"]

PER_MERGE = 10_000
BLOCK = 500
WARM_UP = 2_000
LEARNERS = (1, 2, 4, 8)
RATE = 0.01


def drifting(seed: int, n: int) -> np.ndarray:
    """Return the set `mixture` with mild drift: 2 noise radii over 100,000 vectors."""
    vectors, _ = mixture(seed, 2.0 * n / 100_000, n)
    return vectors


def prequential(vectors: np.ndarray, learners: int, *, add_deltas: bool = False) -> float:
    """Return the mean squared distance of vectors to the centres their learner had before it learned their block."""
    first = KMeans(16, RATE, seed=0)
    first.learn_many(vectors[:WARM_UP])
    k = len(first.centers)
    shared = SharedModel(0, first.centers, np.full(k, WARM_UP // k), first.segment_ids, RATE)
    merger, error = Merger(shared, seed=0), 0.0
    workers = [LocalLearner(str(w), shared) for w in range(learners)]
    for number, at in enumerate(range(WARM_UP, len(vectors), BLOCK), 1):
        for w, worker in enumerate(workers):
            block = vectors[at + w : at + BLOCK : learners]
            error += float(((block - worker.centers[worker.predict_many(block)]) ** 2).sum())
            worker.learn_predict_many(block)
        if number % (PER_MERGE // BLOCK):
            continue
        if add_deltas:
            moved = np.sum([worker.centers - shared.centers for worker in workers], axis=0)
            shared = replace(shared, version=shared.version + 1, centers=shared.centers + moved)
            workers = [LocalLearner(str(w), shared) for w in range(learners)]
            continue
        for worker in workers:
            merger.receive(worker.update())
        shared = merger.merge()
        for worker in workers:
            worker.adopt(shared)
    return error / (len(vectors) - WARM_UP)


def run(quick: bool = False) -> dict[str, Any]:
    """Measure both ways to merge; `quick` takes one seed."""
    warm_up_kernels()
    rows = []
    for seed in range(1 if quick else 3):
        progress(f"sharing, seed {seed}")
        vectors = drifting(seed, 102_000)
        one = prequential(vectors, 1)
        for learners in LEARNERS:
            merged, added = prequential(vectors, learners), prequential(vectors, learners, add_deltas=True)
            row = {"merged": round(merged / one, 4), "adding_deltas": round(added / one, 4)}
            rows.append({"seed": seed, "learners": learners, **row})
    print_table(
        f"prequential error against one learner, merged every {PER_MERGE:,} events",
        ["seed", "learners", "merged", "adding deltas"],
        [[row[name] for name in ("seed", "learners", "merged", "adding_deltas")] for row in rows],
    )
    return {"bench": "sharing", "machine": machine(), "errors": rows, "worst": max(row["merged"] for row in rows)}


if __name__ == "__main__":
    raise SystemExit(main(run))
