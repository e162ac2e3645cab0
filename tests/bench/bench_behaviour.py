"""Segments from behaviour on the planted log: ARI of KMeans-8 on each kind of vector; and the GAN against its baseline.

Every vector comes out of onnxruntime, from models trained here and installed in a temporary folder. Anomalies are those
of the reference set: 20 uniformly random clicks, and one item clicked 20 times.

`python -m tests.bench.bench_behaviour --movielens DIR` adds the same comparison on MovieLens 100k, against the genre
that is most over-represented among what a person rated: nobody planted it, so the figures are what they are.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfTransformer

from encoders import load_encoder, load_manifest
from encoders.behaviour import AnomalyScorer, Basket, BehaviourEncoder, Interactions, profiles
from encoders.behaviour.install import Bag, install_basket_model
from encoders.behaviour.item2vec import train_item2vec
from encoders.behaviour.multdae import train_multdae
from encoders.behaviour.train import area_under_curve, strangers, train_anomaly
from tests.bench.common import machine, print_table, progress
from tests.bench.planted import Planted, ari, planted

__all__ = ["run"]

SVD_DIMS, DAE_DIMS, ITEM_DIMS = 32, 16, 32
STRANGE = 200


def run(quick: bool = False, movielens: Path | None = None, seeds: int = 3) -> dict[str, Any]:
    """Measure; `quick` takes one seed, and a quarter of people and clicks; `movielens` adds real ratings."""
    torch.set_num_threads(machine()["cpus"])
    segments, anomalies = [], []
    for seed in range(1 if quick else seeds):
        data = planted(seed, 70_000, 2_000) if quick else planted(seed)
        with tempfile.TemporaryDirectory() as folder:
            row, log, dae = _segments(seed, data, Path(folder))
            segments.append(row)
            anomalies.append({"seed": seed, **_anomalies(seed, data, log, dae, Path(folder))})
        progress(json.dumps({**row, **anomalies[-1]}))
    names = list(segments[0])
    print_table("ARI of KMeans-8 against the planted groups", names, [list(row.values()) for row in segments])
    print_table(
        "area under the curve, unusual people against the others",
        list(anomalies[0]), [list(row.values()) for row in anomalies],
    )  # fmt: skip
    means = {name: round(float(np.mean([row[name] for row in segments])), 4) for name in names if name != "seed"}
    gan, mixture = (float(np.mean([row[name] for row in anomalies])) for name in ("gan", "mixture"))
    real = _movielens(movielens) if movielens else {}
    return {
        "bench": "behaviour", "machine": machine(), "segments": segments, "means": means, "anomalies": anomalies,
        "better": "gan" if gan > mixture else "mixture", "movielens": real,
    }  # fmt: skip


def _movielens(folder: Path) -> dict[str, Any]:
    """Return ARI of KMeans-8 on each kind of vector against people's dominant genres."""
    with (folder / "ml-100k.item").open(encoding="utf-8", newline="") as file:
        genres = {row[0]: row[3].split() for row in _rows(file)}
    with (folder / "ml-100k.inter").open(encoding="utf-8", newline="") as file:
        user, item = zip(*((row[0], row[1]) for row in _rows(file)), strict=True)
    log = Interactions.from_arrays(user, item)
    names = sorted({name for some in genres.values() for name in some})
    of_item = np.array([[name in genres.get(thing, ()) for name in names] for thing in ["", *log.vocabulary]], float)
    counts = csr_matrix((np.ones(len(log.items)), log.items, log.start), shape=(len(log), len(of_item)))
    shares = counts @ of_item
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    group = (shares / shares.mean(axis=0)).argmax(axis=1)
    progress(f"MovieLens: {len(log)} people, {len(np.unique(group))} dominant genres")
    baskets = log.baskets()
    with tempfile.TemporaryDirectory() as name:
        bag = Bag(train_item2vec(log, dim=ITEM_DIMS, epochs=4))
        items = _install(bag, log, Path(name), "item2vec", ITEM_DIMS).encode(baskets)
        model = train_multdae(log, dim=DAE_DIMS, epochs=60)
        dae = _install(model, log, Path(name), "multdae", DAE_DIMS).encode(baskets)
    vectors = {"genre shares": shares, **_tfidf_svd(counts, 0), "item2vec skipgram": items, "Mult-DAE": dae}
    found = {kind: round(ari(vector, group), 4) for kind, vector in vectors.items()}
    print_table("MovieLens 100k: ARI of KMeans-8 against dominant genres", ["vectors", "ARI"], list(found.items()))
    return found


def _rows(file: TextIO) -> Iterator[list[str]]:
    rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    next(rows)
    return rows


def _segments(seed: int, data: Planted, folder: Path) -> tuple[dict[str, Any], Interactions, BehaviourEncoder]:
    progress(f"seed {seed}: vectors that need no training")
    log = Interactions.from_arrays(data.user, data.item)
    group, baskets = data.group[log.users], log.baskets()
    counts = csr_matrix((log.weights, log.items, log.start), shape=(len(log), len(log.vocabulary) + 1))
    content = np.vstack([np.zeros(data.content.shape[1]), data.content[[int(i) for i in log.vocabulary]]])
    found: dict[str, Any] = {
        "seed": seed,
        "true topics": ari(data.histograms(), data.group),
        **{name: ari(vectors, group) for name, vectors in _tfidf_svd(counts, seed).items()},
        "content alone": ari(_unit(counts @ content), group),
    }
    for mode in ("skipgram", "cbow"):
        progress(f"seed {seed}: item2vec, {mode}")
        table = train_item2vec(log, mode=mode, dim=ITEM_DIMS, epochs=4, seed=seed)
        found[f"item2vec {mode}"] = ari(_install(Bag(table), log, folder, mode, ITEM_DIMS).encode(baskets), group)
    progress(f"seed {seed}: Mult-DAE")
    began = time.perf_counter()
    model = train_multdae(log, dim=DAE_DIMS, epochs=25, seed=seed)
    took = time.perf_counter() - began
    dae = _install(model, log, folder, "multdae", DAE_DIMS)
    found["Mult-DAE"] = ari(dae.encode(baskets), group)
    found["Mult-DAE trained, s"] = round(took, 1)
    return {name: round(value, 4) for name, value in found.items()}, log, dae


def _install(module: torch.nn.Module, log: Interactions, folder: Path, name: str, dim: int) -> BehaviourEncoder:
    install_basket_model(
        module, log.vocabulary, folder, encoder_id=name, version="1", dim=dim, pooling="", normalised=name != "multdae",
        source="planted log",
    )  # fmt: skip
    encoder = load_encoder(name, folder)
    if not isinstance(encoder, BehaviourEncoder):
        msg = f"{name} was installed as {type(encoder).__name__}"
        raise TypeError(msg)
    return encoder


def _anomalies(seed: int, data: Planted, log: Interactions, dae: BehaviourEncoder, folder: Path) -> dict[str, Any]:
    """Choose as `models train gan` does, on four fifths of people, and judge by the last fifth and other strangers."""
    progress(f"seed {seed}: GAN and mixture")
    last = data.user % 5 == 4
    theirs = Interactions.from_arrays(data.user[~last], data.item[~last])
    _, figures = train_anomaly(
        theirs, dae, folder, encoder_id="anomaly", version="1", source="planted log", seed=seed
    )  # fmt: skip
    baskets = log.baskets()
    others = [baskets[row] for row in np.flatnonzero(log.users % 5 == 4)]
    odd = strangers(log, seed + 1_000, STRANGE)

    def seen(some: list[Basket]) -> np.ndarray:
        return profiles(dae.lookup(some)[0], some)

    row: dict[str, Any] = {"gan chosen by": figures.gan, "mixture chosen by": figures.mixture, "chosen": figures.better}
    for name in ("gan", "mixture"):
        scorer = AnomalyScorer(load_manifest(f"anomaly-{name}", folder))
        normal, strange = scorer.score(seen(others)), scorer.score(seen(odd))
        row[name] = area_under_curve(normal, strange)
        row[f"{name}, random clicks"] = area_under_curve(normal, strange[:STRANGE])
        row[f"{name}, one item"] = area_under_curve(normal, strange[STRANGE:])
    return row | {"lost by the choice": round(max(row["gan"], row["mixture"]) - row[figures.better], 4)}


def _tfidf_svd(counts: csr_matrix, seed: int) -> dict[str, np.ndarray]:
    """Return the baseline in both of its usual forms: what a person clicked counts as often, or by its logarithm.

    The reference set doesn't say which. Weights are tf * (1 + log((1 + people) / (1 + people with the item))), rows of
    unit length, the first 32 directions, unit length again.
    """
    forms = {"tf-idf + SVD": False, "log tf-idf + SVD": True}
    return {
        name: _unit(
            TruncatedSVD(SVD_DIMS, random_state=seed).fit_transform(
                TfidfTransformer(sublinear_tf=logarithm).fit_transform(counts)
            )
        )
        for name, logarithm in forms.items()
    }


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def main() -> int:
    """Run from the command line; the last line of stdout is JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller set, for a look rather than a figure")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: the JSON line is always printed")
    parser.add_argument("--movielens", type=Path, help="a folder with ml-100k.inter and ml-100k.item")
    parser.add_argument("--seeds", type=int, default=3, help="how many planted logs")
    given = parser.parse_args()
    print(json.dumps(run(quick=given.quick, movielens=given.movielens, seeds=given.seeds)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
