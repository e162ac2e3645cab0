"""Titles a second on one thread, pictures on two; MiniLM beside sentence-transformers, same weights, same run.

MiniLM with 8-bit weights stands beside it, with its cosine to the one in float. English titles must find their Chinese
translations among hard negatives (`tests.bench.translations`). Beside each rate by the clock is the one by processor
time: on a machine that does nothing else the first is the second times the threads, on a busy one only the second
means something.

`python -m tests.bench.bench_encoders --mind FILE` also says how often the nearest title has the same category, on a
news.tsv of MIND (tab-separated: id, category, subcategory, title, ...).
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from encoders import load_encoder
from encoders.contract import Encoder
from encoders.export import export_use
from encoders.export.efficientnet import EFFICIENTNET, LITE0_INPUT, Features, export_efficientnet, lite0
from encoders.export.minilm import MINILM, export_minilm, export_minilm_int8, minilm_checkpoint
from encoders.export.titles import SAMPLE_TITLES
from tests.bench.common import machine, print_table, progress
from tests.bench.pictures import PICTURES, jpegs
from tests.bench.translations import translation_retrieval

__all__ = ["retrieval", "run"]

REPEATS = 3
PICTURE_THREADS = 2
#: By the clock, and by the processor's time.
Rates = tuple[float, float]
ENGLISH = [title for title in SAMPLE_TITLES if title.isascii()]


def run(quick: bool = False, mind: Path | None = None) -> dict[str, Any]:
    """Measure; `quick` takes a quarter of the titles and pictures, `mind` adds the retrieval."""
    for name in ("onnx_ir", "onnxscript", "sentence_transformers"):  # they tell of every node
        logging.getLogger(name).setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        progress("exporting")
        for export in (export_use, export_minilm, export_minilm_int8, export_efficientnet):
            export(folder)
        default, minilm, small = (load_encoder(which, folder) for which in ("text", MINILM, f"{MINILM}-int8"))
        torch.set_num_threads(1)
        rows = _titles(default, minilm, small, 512 if quick else 2_048)
        torch.set_num_threads(PICTURE_THREADS)
        rows += _pictures(load_encoder(EFFICIENTNET, folder, threads=PICTURE_THREADS), 32 if quick else 128)
        found: dict[str, Any] = {"bench": "encoders", "machine": machine(), "speed": rows}
        by_name = {row["encoder"]: row for row in rows}
        found["minilm_ratio"] = round(by_name["MiniLM, ONNX"]["rate"] / by_name["MiniLM, torch"]["rate"], 3)
        found["minilm_cpu_ratio"] = round(by_name["MiniLM, ONNX"]["cpu_rate"] / by_name["MiniLM, torch"]["cpu_rate"], 3)
        print_table(
            "best of three",
            ["encoder", "content", "threads", "a second", "a CPU second", "least cosine", "to"],
            [
                [row[name] for name in ("encoder", "content", "threads", "rate", "cpu_rate", "cosine", "to")]
                for row in rows
            ],
        )
        share, wrong = translation_retrieval(default)
        found["translations"] = {"found": share, "wrong": wrong}
        print_table("English title finds its Chinese translation", ["encoder", "share"], [["default text", share]])
        if mind is not None:
            found["mind"] = {
                encoder.manifest.id: retrieval(encoder, mind, 4_000 if quick else 20_000)
                for encoder in (default, minilm)
            }
            print_table("nearest title of the same category, MIND", ["encoder", "share"], list(found["mind"].items()))
    return found


def retrieval(encoder: Encoder[Any, Any], path: Path, titles: int) -> float:
    """Return how often the nearest other title of a MIND news.tsv is of the same category."""
    progress(f"retrieval with {encoder.manifest.id}")
    with path.open(encoding="utf-8", newline="") as file:
        lines = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if len(row) > 3]
    order = np.random.default_rng(0).permutation(len(lines))[:titles]
    category = np.array([lines[i][1] for i in order])
    # Titles that come twice would find themselves.
    texts = [lines[i][3] for i in order]
    _, first = np.unique(texts, return_index=True)
    vectors, category = encoder.encode([texts[i] for i in first]), category[first]
    good = np.isfinite(vectors).all(axis=1)
    vectors, category = vectors[good], category[good]
    hits = 0
    for start in range(0, len(vectors), 1_000):
        alike = vectors[start : start + 1_000] @ vectors.T
        alike[np.arange(len(alike)), np.arange(start, start + len(alike))] = -np.inf
        hits += int((category[alike.argmax(axis=1)] == category[start : start + 1_000]).sum())
    return round(hits / len(vectors), 4)


def _titles(
    default: Encoder[Any, Any], minilm: Encoder[Any, Any], small: Encoder[Any, Any], n: int
) -> list[dict[str, Any]]:
    both = [f"{title} {i}" for i, title in enumerate(SAMPLE_TITLES * (n // len(SAMPLE_TITLES)))]
    english = [f"{title} {i}" for i, title in enumerate(ENGLISH * (n // len(ENGLISH)))]
    progress("titles with the default encoder")
    rows = [_row("default text", "short titles, EN and ZH", 1, _rate(default.encode, both))]
    progress("titles with MiniLM: torch, ONNX and int8 in turn")
    peer = SentenceTransformer(str(minilm_checkpoint()), device="cpu")

    def by_torch(titles: Sequence[str]) -> np.ndarray:
        return np.asarray(peer.encode(list(titles), batch_size=32, normalize_embeddings=True, show_progress_bar=False))

    vectors = minilm.encode(english)
    ways = {
        "MiniLM, torch": (by_torch, None, ""),
        "MiniLM, ONNX": (minilm.encode, _least_cosine(by_torch(english), vectors), "torch"),
        "MiniLM, int8": (small.encode, _least_cosine(vectors, small.encode(english)), "ONNX fp32"),
    }
    # In one process and in turn, so that whatever else the machine does slows all.
    rates = [{name: _rate(encode, english, 1) for name, (encode, _, _) in ways.items()} for _ in range(REPEATS)]
    for name, (_, cosine, to) in ways.items():
        rows.append(_row(name, "short titles, EN", 1, _best([rate[name] for rate in rates]), cosine, to))
    return rows


def _least_cosine(one: np.ndarray, other: np.ndarray) -> float:
    return round(float((one * other).sum(axis=1).min()), 7)


def _row(
    encoder: str, content: str, threads: int, rates: Rates, cosine: float | None = None, to: str = ""
) -> dict[str, Any]:
    rate, cpu_rate = rates
    return {
        "encoder": encoder, "content": content, "threads": threads, "rate": rate, "cpu_rate": cpu_rate,
        "cosine": cosine, "to": to,
    }  # fmt: skip


def _pictures(images: Encoder[Any, Any], n: int) -> list[dict[str, Any]]:
    progress("pictures")
    pictures = jpegs(n)
    module = Features(lite0()).eval()

    def by_torch(some: Sequence[bytes]) -> np.ndarray:
        rows = []
        with torch.no_grad():
            for start in range(0, len(some), 16):
                pixels = np.stack([images.prepare(data) for data in some[start : start + 16]])
                rows.append(module(torch.from_numpy(pixels)).numpy())
        return np.concatenate(rows)

    cosine = _least_cosine(by_torch(pictures), images.encode(pictures))
    content, name, n = f"{PICTURES} to {LITE0_INPUT.size}", "EfficientNet-lite0", PICTURE_THREADS
    return [
        _row(f"{name}, torch", content, n, _rate(by_torch, pictures)),
        _row(f"{name}, ONNX", content, n, _rate(images.encode, pictures), cosine, "torch"),
    ]


def _rate(encode: Callable[[Sequence[Any]], np.ndarray], contents: Sequence[Any], repeats: int = REPEATS) -> Rates:
    encode(contents[:32])
    rates = []
    for _ in range(repeats):
        began, worked = time.perf_counter(), time.process_time()
        encode(contents)
        took, worked = time.perf_counter() - began, time.process_time() - worked
        rates.append((round(len(contents) / took, 1), round(len(contents) / worked, 1)))
    return _best(rates)


def _best(rates: Sequence[Rates]) -> Rates:
    return max(rate for rate, _ in rates), max(rate for _, rate in rates)


def main() -> int:
    """Run from the command line; the last line of stdout is JSON."""
    parser = argparse.ArgumentParser(description=sys.modules[__name__].__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller set, for a look rather than a figure")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: the JSON line is always printed")
    parser.add_argument("--mind", type=Path, help="a news.tsv of MIND, for the retrieval")
    given = parser.parse_args()
    print(json.dumps(run(quick=given.quick, mind=given.mind)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
