"""Quality of online k-means on the reference sets: ours, River's, scikit-learn's mini-batches, and batch Lloyd.

Inertia: of the last 2,000 vectors, with the centres each model had when they arrived, against scikit-learn's
KMeans(n_init=10) fitted on these very vectors (1 = equal). ARI: labels of the same vectors, as they arrived, against
the truth. Time: the processor's, us an event of learning, one thread; River's own on a slice, for its quality comes
from our strict mode, which is the same model bit for bit.

Two more rows say what can be known: batch Lloyd fitted on all that came before, and on the whole stream, the last
vectors included. And of `shuttle`, where a handful of vectors carries most of the inertia: of how many windows that
might come last one set of centres, whatever it was made of, is within the line (`tests.bench.windows`).

On the set `overlap`: switches per 100 events of people who didn't move, and of those who did, how soon they switch. A
mover has to switch when another centre is nearer to their true new place than the one they were with, by the margin;
they have when they are with the nearest, or with one than which none is nearer by the margin. Many movers need not:
a person's own offset from their component is larger than the way between components.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from river import cluster, preprocessing
from sklearn.cluster import KMeans as BatchKMeans
from sklearn.metrics import adjusted_rand_score

from online_models import KMeans, Stabiliser, warm_up_kernels
from online_models.stability import MARGIN
from tests.bench.common import machine, print_table, progress
from tests.bench.contenders import RATE, Model, Ours, contenders
from tests.bench.sets import SETS, Crowd, Labelled, crowd, movielens, shuttle_windows
from tests.bench.windows import most_served

__all__ = ["movers_switch", "run"]

BLOCK = 200  # vectors a model learns at a stroke; those of a block arrive before it is learned
LAST = 2_000
RIVER_EVENTS = 300
BEFORE = 20  # a person's events that aren't judged: models settle
LINE = 1.05  # inertia against the reference
SOON = 8  # events within which a mover should switch


def run(quick: bool = False, movielens_folder: Path | None = None) -> dict[str, Any]:
    """Measure quality, time and flaps; `quick` takes one seed and a fifth of the people."""
    warm_up_kernels()
    sets = dict(SETS)
    if movielens_folder is not None:
        sets["movielens"] = (8, lambda seed: movielens(movielens_folder, seed))
    seeds = range(1 if quick else 3)
    rows = [row for name, (k, make) in sets.items() for seed in seeds for row in _set(name, seed, k, make(seed))]
    print_table(
        f"k-means on the last {LAST:,} vectors, against batch Lloyd on them",
        ["set", "seed", "model", "inertia", "ARI", "us an event"],
        [[row[name] for name in ("set", "seed", "model", "inertia", "ari", "us")] for row in rows],
    )
    steady = [row for seed in seeds for row in _crowd(seed, 800 if quick else 4_000)]
    print_table(
        "overlap: people who stay and people who move",
        ["seed", "model", "flaps per 100", "inertia", "movers", "have to", "switched", "within 8", "median events"],
        [
            [row[name] for name in ("seed", "model", "flaps", "inertia", "movers", "due", "switched", "soon", "events")]
            for row in steady
        ],
    )
    served = [] if quick else [_served(seed) for seed in seeds]
    if served:
        print_table(
            f"shuttle: windows that may come last, and how many of them the same centres can bring to {LINE}",
            ["seed", "windows", "at most"],
            [list(row.values()) for row in served],
        )
    worst = max(row["inertia"] for row in rows if row["model"].startswith("ours"))
    print(f"\n  worst inertia of ours: {worst:.3f}")
    return {"bench": "models", "machine": machine(), "quality": rows, "worst_inertia": worst, "overlap": steady,
            "shuttle": served}  # fmt: skip


def _served(seed: int) -> dict[str, Any]:
    progress(f"what may come last in shuttle, seed {seed}")
    windows = shuttle_windows(seed, LAST)
    return {"seed": seed, "windows": len(windows), "served": most_served(windows, SETS["shuttle"][0], LINE)}


def _squared(vectors: np.ndarray, centers: np.ndarray) -> np.ndarray:
    squared = (vectors**2).sum(axis=1)[:, None] - 2 * vectors @ centers.T + (centers**2).sum(axis=1)
    return np.maximum(squared, 0)


def _set(name: str, seed: int, k: int, labelled: Labelled) -> list[dict[str, Any]]:
    progress(f"{name}, seed {seed}")
    vectors, truth = labelled
    batch = BatchKMeans(k, n_init=10, random_state=0)
    began = time.process_time()
    batch_labels = batch.fit_predict(vectors[-LAST:])
    batch_us = 1e6 * (time.process_time() - began) / LAST
    rows = []
    for model_name, model in contenders(k, seed, vectors[0]).items():
        inertia, spent, labels = 0.0, 0.0, []
        for at in range(0, len(vectors), BLOCK):
            block = vectors[at : at + BLOCK]
            if at >= len(vectors) - LAST:
                squared = _squared(block, model.centers())
                inertia += float(squared.min(axis=1).sum())
                labels.append(squared.argmin(axis=1))
            began = time.process_time()
            model.learn(block)
            spent += time.process_time() - began
        us = 1e6 * spent / len(vectors)
        if model_name.startswith("River"):
            us = _river_us(k, vectors, standardised=model_name.endswith("standardised"))
        ari = adjusted_rand_score(truth[-LAST:], np.concatenate(labels))
        rows.append(_row(name, seed, model_name, inertia / batch.inertia_, ari, us))
    rows.append(_row(name, seed, "batch Lloyd", 1.0, adjusted_rand_score(truth[-LAST:], batch_labels), batch_us))
    # what can be known before the last vectors come: on `shuttle` a single outlier among them is most of their inertia
    for model_name, fitted in (("batch Lloyd, earlier", vectors[:-LAST]), ("batch Lloyd, all", vectors)):
        lloyd = BatchKMeans(k, n_init=10, random_state=0).fit(fitted)
        known = -float(lloyd.score(vectors[-LAST:])) / batch.inertia_
        ari = adjusted_rand_score(truth[-LAST:], lloyd.predict(vectors[-LAST:]))
        rows.append(_row(name, seed, model_name, known, ari, 0.0))
    return rows


def _row(name: str, seed: int, model: str, inertia: float, ari: float, us: float) -> dict[str, Any]:
    return {
        "set": name, "seed": seed, "model": model, "inertia": round(float(inertia), 4), "ari": round(float(ari), 3),
        "us": round(float(us), 3),
    }  # fmt: skip


def _river_us(k: int, vectors: np.ndarray, *, standardised: bool) -> float:
    peer: Any = cluster.KMeans(k, halflife=0.5, seed=0)
    if standardised:
        peer = preprocessing.StandardScaler() | peer
    rows = [dict(enumerate(vector)) for vector in vectors[:RIVER_EVENTS].tolist()]
    began = time.process_time()
    for row in rows:
        peer.learn_one(row)
    return 1e6 * (time.process_time() - began) / len(rows)


def _crowd(seed: int, people: int) -> list[dict[str, Any]]:
    progress(f"overlap, seed {seed}")
    one = crowd(seed, people)
    models = contenders(12, seed, one.vectors[0])
    models = {name: model for name, model in models.items() if not name.startswith("ours, ")}
    rows = [_flaps(one, seed, name, model, None) for name, model in models.items()]
    steady = Ours(KMeans(12, RATE, seed=seed))
    return [_flaps(one, seed, "ours, stabilised", steady, Stabiliser()), *rows]


def _flaps(one: Crowd, seed: int, name: str, model: Model, stabiliser: Stabiliser | None) -> dict[str, Any]:
    """One round is one event of every person; labels are those before the round is learned.

    With a stabiliser the model learns smoothed vectors, as the profiler has it. Inertia is that of the labels given,
    against that of the nearest centre for the same vectors.
    """
    people = len(np.unique(one.people))
    rounds = len(one.people) // people
    given = np.full((rounds, people), -1, np.int64)
    paid = nearest = 0.0
    for number in range(rounds):
        cut = slice(number * people, (number + 1) * people)
        who, vectors = one.people[cut], one.vectors[cut]
        for at in range(0, people, BLOCK):
            block, rows = vectors[at : at + BLOCK], who[at : at + BLOCK]
            if stabiliser is not None:
                ids = stabiliser.assign(rows, block, model.model)
                block = stabiliser.vectors(rows).astype(np.float64)
                place = {segment: c for c, segment in enumerate(model.model.segment_ids.tolist())}
                labels = np.array([place.get(segment, -1) for segment in ids.tolist()])
            centers = model.centers()
            if centers.size:
                squared = _squared(block, centers)
                if stabiliser is None:
                    labels = squared.argmin(axis=1)
                    ids = model.model.segment_ids[labels] if isinstance(model, Ours) else labels
                given[number, rows] = ids
                if number >= BEFORE:
                    paid += float(squared[np.arange(len(block)), labels].sum())
                    nearest += float(squared.min(axis=1).sum())
            model.learn(block)
    stayed = np.setdiff1d(np.arange(people), one.movers)
    centers = model.centers()
    ids = model.model.segment_ids if isinstance(model, Ours) else np.arange(len(centers))
    switches = (given[BEFORE + 1 :, stayed] != given[BEFORE:-1, stayed]).mean()
    return {
        "seed": seed, "model": name, "flaps": round(100 * float(switches), 2), "inertia": round(paid / nearest, 4),
        **movers_switch(one, given, centers, ids),
    }  # fmt: skip


def movers_switch(one: Crowd, given: np.ndarray, centers: np.ndarray, ids: np.ndarray) -> dict[str, Any]:
    """Movers, those that have to switch, the share of them that does, within 8 events, and the median event.

    Judged by the last centres (k, d) and their ids (k,); `given` (rounds, people) are ids.
    """
    before = given[one.moved_at - 1, one.movers]
    squared = _squared(one.places[one.movers], centers)
    near = squared * (1 - MARGIN) <= squared.min(axis=1, keepdims=True)  # none is nearer by the margin
    due = ~(near & (ids == before[:, None])).any(axis=1)
    after = given[one.moved_at :, one.movers[due]]
    there = (near[due][None] & (ids == after[:, :, None])).any(axis=2)
    events = np.where(there.any(axis=0), there.argmax(axis=0) + 1.0, np.inf)
    return {
        "movers": len(before), "due": int(due.sum()), "switched": round(float(np.isfinite(events).mean()), 3),
        "soon": round(float((events <= SOON).mean()), 3), "events": float(np.median(events)),
    }  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark from the command line; the last line of stdout is its JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller set, for a look rather than a figure")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: the JSON line is always printed")
    parser.add_argument("--movielens", type=Path, help="a folder with ml-100k.inter and ml-100k.item")
    arguments = parser.parse_args(argv)
    print(json.dumps(run(arguments.quick, arguments.movielens)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
