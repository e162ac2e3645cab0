"""The reference sets of the models' benchmarks; another seed gives the same picture."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from river import datasets
from sklearn.datasets import load_breast_cancer, load_digits, load_wine, make_moons

__all__ = [
    "DENSITY_SETS",
    "SETS",
    "Crowd",
    "Labelled",
    "crowd",
    "mixture",
    "movielens",
    "rings",
    "shapes",
    "shuttle_windows",
]

Labelled = tuple[np.ndarray, np.ndarray]
REPEATED = 12_000  # vectors a small set is repeated to


def mixture(seed: int, drift: float = 0.0, n: int = 20_000) -> Labelled:
    """Return points of 16 Gaussians in 32 dimensions; with drift each moves so many noise radii over the stream."""
    random = np.random.default_rng(seed)
    k, d, noise = 16, 32, 0.6
    centers, ways = random.normal(size=(k, d)), random.normal(size=(k, d))
    ways *= drift * noise * np.sqrt(d) / np.linalg.norm(ways, axis=1, keepdims=True)
    labels, share = random.integers(k, size=n), np.arange(n)[:, None] / n
    return centers[labels] + ways[labels] * share + random.normal(size=(n, d)) * noise, labels


def embeddings(seed: int, drift: float = 0.0) -> Labelled:
    """Return 20,000 points in 64 dimensions that span 8, of 16 components with Zipf(1) weights."""
    random = np.random.default_rng(seed)
    k, d, inner, n, noise = 16, 64, 8, 20_000, 0.35
    centers, ways = random.normal(size=(k, inner)), random.normal(size=(k, inner))
    ways *= drift * noise * np.sqrt(inner) / np.linalg.norm(ways, axis=1, keepdims=True)
    weights = 1 / np.arange(1, k + 1)
    labels, share = random.choice(k, n, p=weights / weights.sum()), np.arange(n)[:, None] / n
    points = centers[labels] + ways[labels] * share + random.normal(size=(n, inner)) * noise
    basis, _ = np.linalg.qr(random.normal(size=(d, inner)))
    return points @ basis.T, labels


def standardised(vectors: np.ndarray) -> np.ndarray:
    """Return vectors with mean 0 and variance 1 per column; a constant column becomes 0."""
    deviation = vectors.std(axis=0)
    return (vectors - vectors.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)


def repeated(load: Callable[[], Labelled], seed: int, most: int = REPEATED) -> Labelled:
    """Return a set, standardised, repeated in random order to `most` vectors, or so many of it."""
    vectors, labels = load()
    random = np.random.default_rng(seed)
    order = np.concatenate([random.permutation(len(vectors)) for _ in range(most // len(vectors) + 1)])[:most]
    return standardised(vectors)[order], labels[order]


def shuttle_windows(seed: int, size: int) -> list[np.ndarray]:
    """Return what may come last in the set `shuttle`: all that isn't among what comes before, cut into windows.

    The first of them is what does come last.
    """
    shuttle = of_river(datasets.Shuttle())
    vectors, _ = repeated(lambda: shuttle, seed, len(shuttle[0]))
    rest = vectors[REPEATED - size :]
    windows = len(rest) // size
    return np.split(rest[: windows * size], windows)


def of_river(dataset: datasets.base.Dataset) -> Labelled:
    """Return a set that River ships."""
    rows = list(dataset)
    _, labels = np.unique([str(label) for _, label in rows], return_inverse=True)
    return np.array([list(row.values()) for row, _ in rows], float), labels


def rings(seed: int, n: int = 10_000) -> Labelled:
    """Return two rings, one in the other."""
    random = np.random.default_rng(seed)
    labels = random.integers(2, size=n)
    angle, radius = random.uniform(0, 2 * np.pi, n), np.where(labels, 3.0, 1.0) + random.normal(0, 0.06, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), labels


def shapes(seed: int, n: int = 10_000) -> Labelled:
    """Return two moons, one reaching into the other."""
    vectors, labels = make_moons(n, noise=0.06, random_state=seed)
    return vectors, labels


def movielens(folder: Path, seed: int) -> Labelled:
    """Return what people of MovieLens like after each of their ratings: means of genres, standardised.

    MovieLens has each person's ratings in one sitting; here all are there at the same time: whose rating is next is
    drawn, and each person's come in their order. The label is the genre a person has seen most at last.
    """
    with (folder / "ml-100k.item").open(encoding="utf-8") as file:
        films = {row[0]: row[3].split() for row in list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]}
    with (folder / "ml-100k.inter").open(encoding="utf-8") as file:
        ratings = [(int(row[3]), row[0], row[1]) for row in list(csv.reader(file, delimiter="\t"))[1:]]
    ratings.sort(key=lambda rating: rating[0])
    genres = sorted({genre for names in films.values() for genre in names})
    seen = np.array([[genre in films[film] for genre in genres] for _, _, film in ratings], float)
    _, who = np.unique([person for _, person, _ in ratings], return_inverse=True)
    tastes, labels = np.empty_like(seen), np.empty(len(seen), np.int64)
    for person in range(who.max() + 1):
        rows = np.flatnonzero(who == person)
        tastes[rows] = seen[rows].cumsum(axis=0) / np.arange(1, len(rows) + 1)[:, None]
        labels[rows] = tastes[rows[-1]].argmax()
    order = np.empty(len(who), np.int64)
    drawn = np.random.default_rng(seed).permutation(who)
    order[np.argsort(drawn, kind="stable")] = np.argsort(who, kind="stable")
    return standardised(tastes)[order], labels[order]


@dataclass(frozen=True)
class Crowd:
    """The set `overlap`.

    Attributes
    ----------
    people, vectors
        Who (n,) and where (n, d), in order.
    places
        Where each person is at last, without the noise of events, (people, d).
    movers, moved_at
        Which people move, and at which of their events.
    """

    people: np.ndarray
    vectors: np.ndarray
    places: np.ndarray
    movers: np.ndarray
    moved_at: int


def crowd(seed: int, people: int = 4_000, events: int = 50) -> Crowd:
    """Return people of 12 overlapping components; a twentieth of them moves to another half-way."""
    random = np.random.default_rng(seed)
    k, d = 12, 32
    centers = random.normal(size=(k, d)) * 0.45
    offsets = random.normal(size=(people, d)) * 0.8
    home = random.integers(k, size=people)
    movers = random.choice(people, people // 20, replace=False)
    away = home.copy()
    away[movers] = (home[movers] + random.integers(1, k, size=len(movers))) % k
    who = np.concatenate([random.permutation(people) for _ in range(events)])
    moved = np.repeat(np.arange(events), people) >= events // 2
    truth = np.where(moved, away[who], home[who])
    vectors = centers[truth] + offsets[who] + random.normal(size=(len(who), d)) * 0.9
    return Crowd(who, vectors, centers[away] + offsets, movers, events // 2)


#: Name -> number of clusters asked for, and the set by seed.
SETS: dict[str, tuple[int, Callable[[int], Labelled]]] = {
    "mixture": (16, mixture),
    "mixture drift": (16, lambda seed: mixture(seed, 2.0)),
    "embeddings": (16, embeddings),
    "embeddings drift": (16, lambda seed: embeddings(seed, 2.0)),
    "digits": (10, lambda seed: repeated(lambda: load_digits(return_X_y=True), seed)),
    "wine": (3, lambda seed: repeated(lambda: load_wine(return_X_y=True), seed)),
    "breast cancer": (2, lambda seed: repeated(lambda: load_breast_cancer(return_X_y=True), seed)),
    "image segments": (7, lambda seed: repeated(lambda: of_river(datasets.ImageSegments()), seed)),
    "bananas": (2, lambda seed: repeated(lambda: of_river(datasets.Bananas()), seed)),
    "shuttle": (7, lambda seed: repeated(lambda: of_river(datasets.Shuttle()), seed)),
}

#: Name -> settings of DBSTREAM, and the set by seed.
DENSITY_SETS: dict[str, tuple[dict[str, float], Callable[[int], Labelled]]] = {
    "moons": (
        {"clustering_threshold": 0.15, "fading_factor": 0.001, "cleanup_interval": 50, "intersection_factor": 0.1,
         "minimum_weight": 2.0},
        shapes,
    ),
    "rings": (
        {"clustering_threshold": 0.25, "fading_factor": 0.001, "cleanup_interval": 50, "intersection_factor": 0.1,
         "minimum_weight": 2.0},
        rings,
    ),
    "mixture": ({"clustering_threshold": 4.5, "fading_factor": 0.001, "cleanup_interval": 20}, mixture),
    "digits": ({"clustering_threshold": 6.0, "fading_factor": 0.002, "cleanup_interval": 10}, SETS["digits"][1]),
    "bananas": (
        {"clustering_threshold": 0.3, "fading_factor": 0.001, "cleanup_interval": 50},
        lambda seed: repeated(lambda: of_river(datasets.Bananas()), seed),
    ),
    "moons, River's settings": ({}, shapes),
}  # fmt: skip
