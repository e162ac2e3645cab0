"""Online k-means against River (time) and against batch Lloyd (inertia), each pair in one run on one thread.

Time: of the processor, so that other processes' share of it doesn't matter; River learns dicts, ours learns arrays in
blocks of 2,000, from the same centres; labels must agree; the least of three runs each. Inertia: the
sets and the reference are the project's reference sets: sklearn's KMeans(n_init=10) fitted on the last 2,000 vectors,
ours measured on the same vectors with the centres it had when each arrived. BLAS runs in the reference only.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from river import cluster
from sklearn.cluster import KMeans as BatchKMeans

from online_models import KMeans, warm_up_kernels
from tests.bench.common import machine, main, print_table, progress
from tests.bench.sets import SETS

__all__ = ["run"]

# k, d, events River learns (about a second), events ours learns; the adaptive model needs a few swaps' worth
SHAPES = ((16, 32, 5_000, 200_000), (32, 64, 1_500, 100_000), (64, 384, 100, 12_000))
BLOCK = 2_000
LAST = 2_000
RATE = 0.01
REPEATS = 3


SET_NAMES = ("mixture", "mixture drift", "digits", "wine", "breast cancer")


def run(quick: bool = False) -> dict[str, Any]:
    """Measure time and inertia; `quick` takes a fifth of the events and one seed."""
    warm_up_kernels()
    speed = [_speed(k, d, river // 5 if quick else river, ours // 5 if quick else ours) for k, d, river, ours in SHAPES]
    print_table(
        "k-means, one thread, us of processor time an event",
        ["k", "d", "River", "strict", "adaptive", "strict x River", "adaptive x River"],
        [[row[name] for name in ("k", "d", "river_us", "strict_us", "adaptive_us", "ratio", "ratio_adaptive")]
         for row in speed],
    )  # fmt: skip
    quality = [_quality(name, seed) for name in SET_NAMES for seed in range(1 if quick else 3)]
    print_table(
        f"inertia of the last {LAST:,} vectors against batch Lloyd on them (1 = equal)",
        ["set", "seed", "adaptive", "River as is", "swaps"],
        [[row[name] for name in ("set", "seed", "adaptive", "river", "swaps")] for row in quality],
    )
    return {"bench": "kmeans", "machine": machine(), "speed": speed, "quality": quality}


def _speed(k: int, d: int, river_events: int, our_events: int) -> dict[str, Any]:
    progress(f"time at k {k}, d {d}")
    random = np.random.default_rng(0)
    vectors, init = random.normal(size=(our_events, d)), random.normal(size=(k, d))
    rows = [dict(enumerate(vector)) for vector in vectors[:river_events].tolist()]
    river_us = strict_us = adaptive_us = np.inf
    for _ in range(REPEATS):
        peer = _river(k, init)
        began = time.process_time()
        expected = [peer.learn_predict_one(row) for row in rows]
        river_us = min(river_us, 1e6 * (time.process_time() - began) / len(rows))
        strict = KMeans(k, RATE, "strict", init)
        began = time.process_time()
        labels = [strict.learn_predict_many(vectors[at : at + BLOCK]) for at in range(0, our_events, BLOCK)]
        strict_us = min(strict_us, 1e6 * (time.process_time() - began) / our_events)
        if np.concatenate(labels)[:river_events].tolist() != expected:
            msg = f"labels differ from River's at k {k}, d {d}: the times can't be compared"
            raise RuntimeError(msg)
        adaptive = KMeans(k, RATE, seed=0)
        adaptive.learn_many(vectors[:BLOCK])
        began = time.process_time()
        for at in range(BLOCK, our_events, BLOCK):
            adaptive.learn_many(vectors[at : at + BLOCK])
        adaptive_us = min(adaptive_us, 1e6 * (time.process_time() - began) / (our_events - BLOCK))
    return {
        "k": k,
        "d": d,
        "river_us": round(river_us, 2),
        "strict_us": round(strict_us, 4),
        "adaptive_us": round(adaptive_us, 4),
        "ratio": round(river_us / strict_us),
        "ratio_adaptive": round(river_us / adaptive_us),
    }


def _river(k: int, init: np.ndarray) -> cluster.KMeans:
    peer = cluster.KMeans(k, halflife=RATE, seed=0)
    for label, centre in enumerate(init.tolist()):
        peer.centers[label].update(enumerate(centre))
    return peer


def _quality(name: str, seed: int) -> dict[str, Any]:
    progress(f"inertia on {name}, seed {seed}")
    k, make = SETS[name]
    vectors, _ = make(seed)
    reference = BatchKMeans(k, n_init=10, random_state=0).fit(vectors[-LAST:]).inertia_ / LAST
    adaptive = KMeans(k, RATE, seed=seed)
    adaptive.learn_many(vectors)
    # River's own default of .5 as halflife and its random centres; strict mode is the same model, 500 times sooner.
    river = KMeans(k, 0.5, "strict", seed=seed)
    river.learn_many(vectors)
    return {
        "set": name,
        "seed": seed,
        "adaptive": round(adaptive.inertia_window / reference, 4),
        "river": round(river.inertia_window / reference, 4),
        "swaps": sum(change.cause == "swap" for change in adaptive.changes),
    }


if __name__ == "__main__":
    raise SystemExit(main(run))
