"""Encoders on a GPU: each way of running a model, in items a second, with its least cosine to fp32 on the CPU.

Ways: arrays in and out; IO binding with buffers made once for each shape; the same as a CUDA graph; weights in fp16;
TensorRT with fp16. Shapes are fixed buckets, as CUDA graphs and TensorRT need them. Needs the extras `gpu` and `train`.

No GPU has been at hand yet, so there is no table here: `python -m tests.bench.bench_gpu` makes it. `--provider cpu`
runs the ways that a CPU has, to see that the script works.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.transformers.float16 import convert_float_to_float16

from encoders import load_manifest
from encoders.export.efficientnet import EFFICIENTNET, export_efficientnet
from encoders.export.minilm import MINILM, export_minilm
from tests.bench.common import machine, print_table, progress

__all__ = ["run"]

#: Tokens of a text and texts at once; pictures at once.
TEXTS = ((16, 32), (16, 256), (64, 64), (256, 32))
PICTURES = (1, 32, 128)
SECONDS = 2.0
_VOCABULARY = 30_000
_CUDA, _TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"

Feeds = dict[str, np.ndarray]


def run(provider: str = "cuda", seconds: float = SECONDS) -> dict[str, Any]:
    """Measure every way that the provider has on every shape."""
    if provider == "cuda" and _CUDA not in onnxruntime.get_available_providers():
        msg = f"this onnxruntime has no {_CUDA}: pip install 'userprism[gpu]' on a machine with an NVIDIA GPU"
        raise SystemExit(msg)
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for encoder_id, export in ((MINILM, export_minilm), (EFFICIENTNET, export_efficientnet)):
            progress(f"exporting {encoder_id}")
            export(folder)
            path = load_manifest(encoder_id, folder).path("model.onnx")
            halved = folder / f"{encoder_id}-fp16.onnx"
            onnx.save(convert_float_to_float16(onnx.load(path), keep_io_types=True), halved)
            for shape, feeds in _shapes(encoder_id, path):
                (expected,) = _session(path, "CPUExecutionProvider").run(["vector"], feeds)
                for way, make in _ways(provider, path, halved, folder):
                    progress(f"{encoder_id}, {shape}, {way}")
                    try:
                        step = make(feeds)
                        found = step()
                    except Exception as error:  # a way that a machine lacks is a row, not the end
                        rows.append([encoder_id, shape, way, None, None, str(error).splitlines()[0][:60]])
                        continue
                    rows.append(
                        [encoder_id, shape, way, _rate(step, len(expected), seconds), _least(expected, found), ""]
                    )
    headers = ["model", "shape", "way", "a second", "least cosine", "why not"]
    print_table(f"on {provider}", headers, rows)
    found = [dict(zip(headers, row, strict=True)) for row in rows]
    return {"bench": "gpu", "machine": machine(), "provider": provider, "rows": found}


def _shapes(encoder_id: str, path: Path) -> Iterator[tuple[str, Feeds]]:
    random = np.random.default_rng(0)
    inputs = {one.name: one for one in _session(path, "CPUExecutionProvider").get_inputs()}
    if encoder_id == MINILM:
        for tokens, texts in TEXTS:
            feeds = {name: np.ones((texts, tokens), np.int64) for name in inputs}
            for name in feeds:
                if "ids" in name and "type" not in name:
                    feeds[name] = random.integers(1_000, _VOCABULARY, (texts, tokens))
                elif "type" in name:
                    feeds[name] = np.zeros((texts, tokens), np.int64)
            yield f"{texts} texts of {tokens} tokens", feeds
        return
    ((name, pixels),) = inputs.items()
    for pictures in PICTURES:
        yield f"{pictures} pictures", {name: random.normal(size=(pictures, *pixels.shape[1:])).astype(np.float32)}


def _ways(
    provider: str, path: Path, halved: Path, folder: Path
) -> Iterator[tuple[str, Callable[[Feeds], Callable[[], np.ndarray]]]]:
    if provider == "cpu":
        cpu = "CPUExecutionProvider"
        yield "arrays", lambda feeds: _arrays(_session(path, cpu), feeds)
        yield "bound", lambda feeds: _bound(_session(path, cpu), feeds, "cpu")
        return
    tensorrt = {
        "trt_fp16_enable": True, "trt_engine_cache_enable": True, "trt_engine_cache_path": str(folder / "engines")
    }  # fmt: skip
    yield "arrays", lambda feeds: _arrays(_session(path, _CUDA), feeds)
    yield "bound", lambda feeds: _bound(_session(path, _CUDA), feeds, "cuda")
    yield "bound, graph", lambda feeds: _bound(_session(path, _CUDA, enable_cuda_graph="1"), feeds, "cuda")
    yield "bound, fp16", lambda feeds: _bound(_session(halved, _CUDA), feeds, "cuda")
    yield "bound, graph, fp16", lambda feeds: _bound(_session(halved, _CUDA, enable_cuda_graph="1"), feeds, "cuda")
    yield "bound, TensorRT, fp16", lambda feeds: _bound(_session(path, _TENSORRT, **tensorrt), feeds, "cuda")


def _session(path: Path, provider: str, **options: Any) -> onnxruntime.InferenceSession:
    session = onnxruntime.InferenceSession(str(path), providers=[(provider, options)])
    if session.get_providers()[0] != provider:
        msg = f"{provider} doesn't start: {session.get_providers()}"
        raise RuntimeError(msg)
    return session


def _arrays(session: onnxruntime.InferenceSession, feeds: Feeds) -> Callable[[], np.ndarray]:
    return lambda: session.run(["vector"], feeds)[0]


def _bound(session: onnxruntime.InferenceSession, feeds: Feeds, device: str) -> Callable[[], np.ndarray]:
    """Make buffers once; a step copies in, runs, copies out. Their addresses stay, as a CUDA graph needs."""
    binding = session.io_binding()
    inputs = {name: onnxruntime.OrtValue.ortvalue_from_numpy(value, device, 0) for name, value in feeds.items()}
    for name, value in inputs.items():
        binding.bind_ortvalue_input(name, value)
    (first,) = session.run(["vector"], feeds) if device == "cpu" else (None,)
    width = session.get_outputs()[0].shape[1] if first is None else first.shape[1]
    rows = len(next(iter(feeds.values())))
    output = onnxruntime.OrtValue.ortvalue_from_shape_and_type([rows, width], np.float32, device, 0)
    binding.bind_ortvalue_output("vector", output)

    def step() -> np.ndarray:
        for name, value in feeds.items():
            inputs[name].update_inplace(value)
        session.run_with_iobinding(binding)
        return np.array(output.numpy())

    return step


def _rate(step: Callable[[], np.ndarray], items: int, seconds: float) -> float:
    for _ in range(3):
        step()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        step()
        steps += 1
    return round(items * steps / (time.perf_counter() - began), 1)


def _least(one: np.ndarray, other: np.ndarray) -> float:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return round(float(((one * other).sum(axis=1) / lengths).min()), 6)


def main() -> int:
    """Run from the command line; the last line of stdout is JSON."""
    parser = argparse.ArgumentParser(description=sys.modules[__name__].__doc__)
    parser.add_argument("--provider", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each way and shape")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: the JSON line is always printed")
    given = parser.parse_args()
    print(json.dumps(run(given.provider, given.seconds)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
