"""Quality of online k-means on the reference sets: ours, River's, scikit-learn's mini-batches, and batch Lloyd.

Inertia: of the last 2,000 vectors, with the centres each model had when they arrived, against scikit-learn's
KMeans(n_init=10) fitted on these very vectors (1 = equal). ARI: labels of the same vectors, as they arrived, against
the truth. Time: us an event of learning, one thread; River's own on a slice, for its quality comes from our strict
mode, which is the same model bit for bit. Flaps: switches per 100 events of people who didn't move, on the set
`overlap`.
"""

from __future__ import annotations

import time
from typing import Any, Protocol

import numpy as np
from river import cluster, preprocessing
from sklearn.cluster import KMeans as BatchKMeans
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import adjusted_rand_score

from online_models import KMeans, Stabiliser, StandardScaler, warm_up_kernels
from tests.bench.common import machine, main, print_table, progress
from tests.bench.sets import SETS, Crowd, crowd

__all__ = ["run"]

BLOCK = 200  # vectors a model learns at a stroke; those of a block arrive before it is learned
LAST = 2_000
RATE = 0.01
RIVER_EVENTS = 300
BEFORE = 20  # a person's events that aren't judged: models settle


class Model(Protocol):
    """What is compared: it learns blocks and has centres in the space of the vectors."""

    def learn(self, block: np.ndarray) -> None:
        """Learn vectors in order."""

    def centers(self) -> np.ndarray:
        """Centres (k, d)."""


class Ours:
    """Our k-means in either mode; strict is River's."""

    def __init__(self, model: KMeans) -> None:
        self.model = model

    def learn(self, block: np.ndarray) -> None:
        """Learn vectors in order."""
        self.model.learn_many(block)

    def centers(self) -> np.ndarray:
        """Centres (k, d)."""
        return self.model.centers


class Standardised(Ours):
    """River's pipeline of StandardScaler and KMeans; the centres are brought back to the vectors' space."""

    def __init__(self, model: KMeans) -> None:
        super().__init__(model)
        self.scaler = StandardScaler()

    def learn(self, block: np.ndarray) -> None:
        """Learn the scale, then the scaled vectors."""
        self.scaler.learn_many(block)
        self.model.learn_many(self.scaler.transform_many(block))

    def centers(self) -> np.ndarray:
        """Centres (k, d)."""
        return self.model.centers * np.sqrt(self.scaler.var) + self.scaler.mean


class MiniBatches:
    """scikit-learn's mini-batch k-means."""

    def __init__(self, k: int, seed: int) -> None:
        self.model = MiniBatchKMeans(k, random_state=seed, n_init=3)

    def learn(self, block: np.ndarray) -> None:
        """Learn vectors as one mini-batch."""
        self.model.partial_fit(block)

    def centers(self) -> np.ndarray:
        """Centres (k, d)."""
        return self.model.cluster_centers_ if hasattr(self.model, "cluster_centers_") else np.zeros((0, 0))


def contenders(k: int, seed: int, first: np.ndarray) -> dict[str, Model]:
    """Return fresh models by name; the bad start has all centres about the first vector."""
    bad = first + 1e-3 * np.random.default_rng(seed).normal(size=(k, len(first)))
    return {
        "ours": Ours(KMeans(k, RATE, seed=seed)),
        "ours, bad start": Ours(KMeans(k, RATE, init=bad, seed=seed)),
        "River as is": Ours(KMeans(k, 0.5, "strict", seed=seed)),
        "River standardised": Standardised(KMeans(k, 0.5, "strict", seed=seed)),
        "MiniBatchKMeans": MiniBatches(k, seed),
    }


def run(quick: bool = False) -> dict[str, Any]:
    """Measure quality, time and flaps; `quick` takes one seed and a fifth of the people."""
    warm_up_kernels()
    rows = [row for name in SETS for seed in range(1 if quick else 3) for row in _set(name, seed)]
    print_table(
        f"k-means on the last {LAST:,} vectors, against batch Lloyd on them",
        ["set", "seed", "model", "inertia", "ARI", "us an event"],
        [[row[name] for name in ("set", "seed", "model", "inertia", "ari", "us")] for row in rows],
    )
    steady = [row for seed in range(1 if quick else 2) for row in _crowd(seed, 800 if quick else 4_000)]
    print_table(
        "overlap: people who stay and people who move",
        ["seed", "model", "flaps per 100", "inertia", "movers switched", "median events"],
        [[row[name] for name in ("seed", "model", "flaps", "inertia", "switched", "events")] for row in steady],
    )
    worst = max(row["inertia"] for row in rows if row["model"].startswith("ours"))
    print(f"\n  worst inertia of ours: {worst:.3f}")
    return {"bench": "models", "machine": machine(), "quality": rows, "worst_inertia": worst, "overlap": steady}


def _squared(vectors: np.ndarray, centers: np.ndarray) -> np.ndarray:
    squared = (vectors**2).sum(axis=1)[:, None] - 2 * vectors @ centers.T + (centers**2).sum(axis=1)
    return np.maximum(squared, 0)


def _set(name: str, seed: int) -> list[dict[str, Any]]:
    progress(f"{name}, seed {seed}")
    k, make = SETS[name]
    vectors, truth = make(seed)
    batch = BatchKMeans(k, n_init=10, random_state=0)
    began = time.perf_counter()
    batch_labels = batch.fit_predict(vectors[-LAST:])
    batch_us = 1e6 * (time.perf_counter() - began) / LAST
    rows = []
    for model_name, model in contenders(k, seed, vectors[0]).items():
        inertia, spent, labels = 0.0, 0.0, []
        for at in range(0, len(vectors), BLOCK):
            block = vectors[at : at + BLOCK]
            if at >= len(vectors) - LAST:
                squared = _squared(block, model.centers())
                inertia += float(squared.min(axis=1).sum())
                labels.append(squared.argmin(axis=1))
            began = time.perf_counter()
            model.learn(block)
            spent += time.perf_counter() - began
        us = 1e6 * spent / len(vectors)
        if model_name.startswith("River"):
            us = _river_us(k, vectors, standardised=model_name.endswith("standardised"))
        ari = adjusted_rand_score(truth[-LAST:], np.concatenate(labels))
        rows.append(_row(name, seed, model_name, inertia / batch.inertia_, ari, us))
    rows.append(_row(name, seed, "batch Lloyd", 1.0, adjusted_rand_score(truth[-LAST:], batch_labels), batch_us))
    # what can be known before the last vectors come: on `shuttle` a single outlier among them is most of their inertia
    earlier = BatchKMeans(k, n_init=10, random_state=0).fit(vectors[:-LAST])
    labels = earlier.predict(vectors[-LAST:])
    known = -float(earlier.score(vectors[-LAST:])) / batch.inertia_
    rows.append(_row(name, seed, "batch Lloyd, earlier", known, adjusted_rand_score(truth[-LAST:], labels), 0.0))
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
    began = time.perf_counter()
    for row in rows:
        peer.learn_one(row)
    return 1e6 * (time.perf_counter() - began) / len(rows)


def _crowd(seed: int, people: int) -> list[dict[str, Any]]:
    progress(f"overlap, seed {seed}")
    one = crowd(seed, people)
    models = contenders(12, seed, one.vectors[0])
    del models["ours, bad start"]
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
    truth = np.zeros((rounds, people), np.int64)
    paid = nearest = 0.0
    for number in range(rounds):
        cut = slice(number * people, (number + 1) * people)
        who, vectors = one.people[cut], one.vectors[cut]
        truth[number, who] = one.truth[cut]
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
                    ids = labels = squared.argmin(axis=1)
                given[number, rows] = ids
                if number >= BEFORE:
                    paid += float(squared[np.arange(len(block)), labels].sum())
                    nearest += float(squared.min(axis=1).sum())
            model.learn(block)
    stayed = np.setdiff1d(np.arange(people), one.movers)
    switches = (given[BEFORE + 1 :, stayed] != given[BEFORE:-1, stayed]).mean()
    switched, events = _movers(one, given, truth, stayed)
    return {
        "seed": seed, "model": name, "flaps": round(100 * float(switches), 2),
        "inertia": round(paid / nearest, 4), "switched": switched, "events": events,
    }  # fmt: skip


def _movers(one: Crowd, given: np.ndarray, truth: np.ndarray, stayed: np.ndarray) -> tuple[float, float | None]:
    """Share of the movers whose segment becomes their new component's, and the median event at which it does."""
    home = {
        component: int(np.bincount(given[-1, stayed][truth[-1, stayed] == component].clip(min=0)).argmax())
        for component in np.unique(truth[-1, stayed]).tolist()
    }
    goal = np.array([home[component] for component in truth[-1, one.movers].tolist()])
    there = given[one.moved_at :, one.movers] == goal
    arrived = there.any(axis=0)
    events = float(np.median(there.argmax(axis=0)[arrived]) + 1) if arrived.any() else None
    return round(float(arrived.mean()), 3), events


if __name__ == "__main__":
    raise SystemExit(main(run))
