"""Encoders on a GPU: every way of running a model, and what the encoders themselves reach with the one they use.

Ways: arrays in and out; buffers bound once; the shape fixed and buffers bound; the same as a CUDA graph; each with
weights in fp16; TensorRT with fp16. Beside the items a second stand the least cosine and the largest difference of a
coordinate to fp32 on the CPU. Then titles and JPEGs through `load_encoder`, tokenizing and decoding included.

`--provider cpu` measures the same shapes without the GPU, on the cores that the process may use: `taskset -c 0,1 ...`
for two. `--models DIR` takes exported encoders, so that neither torch nor the packages of the weights are needed.
The numbers are in `gpu.md`. Needs the extra `gpu`, and `train` for fp16 and to export.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import onnxruntime
from onnxruntime.transformers.float16 import convert_float_to_float16

from encoders import load_encoder, load_manifest
from encoders.errors import EncoderError
from encoders.export.choose import export_packaged
from encoders.export.titles import SAMPLE_TITLES
from encoders.manifest import Manifest
from encoders.registry import KINDS
from tests.bench.common import machine, print_table, progress
from tests.bench.pictures import PICTURES, jpegs

__all__ = ["run"]

MODELS = ("minilm", "efficientnet-lite0", "text")
#: Texts at once and their tokens; pictures at once.
TEXTS = ((1, 16), (32, 16), (512, 16), (32, 256))
IMAGES = (1, 32, 128)
SECONDS = 1.0
#: How many titles and pictures go through `load_encoder`.
CONTENTS = {
    "cuda": {"minilm": 16_384, "text": 16_384, "efficientnet-lite0": 512},
    "cpu": {"minilm": 1_024, "text": 4_096, "efficientnet-lite0": 128},
}
_CUDA, _TENSORRT, _CPU = "CUDAExecutionProvider", "TensorrtExecutionProvider", "CPUExecutionProvider"

Feeds = dict[str, np.ndarray]
Step = Callable[[], np.ndarray]
_LONGEST_REASON = 90


def run(
    provider: str = "cuda", seconds: float = SECONDS, models: Path | None = None, threads: Sequence[int] = (1, 2)
) -> dict[str, Any]:
    """Measure every way that the provider has on every shape, then the encoders."""
    if provider == "cuda" and _CUDA not in onnxruntime.get_available_providers():
        msg = f"this onnxruntime has no {_CUDA}: pip install 'userprism[gpu]' on a machine with an NVIDIA GPU"
        raise SystemExit(msg)
    if provider == "cuda":
        onnxruntime.preload_dlls()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for encoder_id in () if models else MODELS:
            progress(f"exporting {encoder_id}")
            export_packaged(encoder_id, folder)
        installed = models or folder
        ways, goldens = [], []
        for encoder_id in MODELS:
            manifest = load_manifest(encoder_id, installed)
            halved = folder / f"{manifest.id}-fp16" / "model.onnx"
            halved.parent.mkdir()
            onnx.save(convert_float_to_float16(onnx.load(manifest.path("model.onnx")), keep_io_types=True), halved)
            ways += _ways_of(provider, manifest, halved, seconds)
            goldens += [_golden(manifest, manifest.path("model.onnx"), ""), _golden(manifest, halved, "fp16")]
        found = {
            "models": _table(
                f"models on {provider}",
                ["model", "shape", "way", "a second", "ms a batch", "least cosine", "largest difference", "why not"],
                ways,
            ),
            "goldens": _table(
                "golden inputs", ["model", "weights", "provider", "largest difference", "allowed", "why not"], goldens
            ),
        }
        encoders = [row for one in MODELS for row in _encoder(one, CONTENTS[provider][one], installed, threads)]
        found["encoders"] = _table(
            "through load_encoder",
            ["encoder", "content", "threads", "provider", "a second", "to load, s", "why not"],
            encoders,
        )
    return {"bench": "gpu", "machine": machine(), "onnxruntime": onnxruntime.__version__, "provider": provider, **found}


def _table(title: str, headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    print_table(title, headers, rows)
    return [dict(zip(headers, row, strict=True)) for row in rows]


def _ways_of(provider: str, manifest: Manifest, halved: Path, seconds: float) -> Iterator[list[Any]]:
    path = manifest.path("model.onnx")
    exact = _session(path, _CPU)
    for shape, feeds in _shapes(manifest, exact):
        (expected,) = exact.run(["vector"], feeds)
        for way, make in _ways(provider, path, halved):
            progress(f"{manifest.id}, {shape}, {way}")
            try:
                step = make(feeds)
                found = step()
                rate = _rate(step, len(expected), seconds)
            except Exception as error:  # a way that a machine lacks is a row, not the end
                yield [manifest.id, shape, way, None, None, None, None, _reason(error)]
                continue
            worst = float(np.abs(expected - found).max())
            ms = round(1000 * len(expected) / rate, 3)
            yield [manifest.id, shape, way, rate, ms, _least(expected, found), f"{worst:.1e}", ""]


def _shapes(manifest: Manifest, session: onnxruntime.InferenceSession) -> Iterator[tuple[str, Feeds]]:
    random = np.random.default_rng(0)
    inputs = {one.name: one for one in session.get_inputs()}
    if manifest.kind == "image":
        ((name, pixels),) = inputs.items()
        for n in IMAGES:
            yield f"{n} pictures", {name: random.normal(size=(n, *pixels.shape[1:])).astype(np.float32)}
        return
    for n, tokens in TEXTS:
        ids = random.integers(1_000, 30_000, (n, tokens))
        mask = np.ones((n, tokens), manifest.dtype("mask"))
        mask[: n // 2, -2:] = 0  # some padding, as batches have
        yield f"{n} texts of {tokens} tokens", {"input_ids": ids, "mask": mask}


def _ways(provider: str, path: Path, halved: Path) -> Iterator[tuple[str, Callable[[Feeds], Step]]]:
    if provider == "cpu":
        yield "arrays", lambda feeds: _arrays(_session(path, _CPU), feeds)
        yield "fixed, bound", lambda feeds: _bound(path, feeds, _CPU, fixed=True)
        return
    graph = {"enable_cuda_graph": "1"}
    tensorrt = {"trt_fp16_enable": "1"}
    yield "arrays", lambda feeds: _arrays(_session(path, _CUDA), feeds)
    yield "bound", lambda feeds: _bound(path, feeds, _CUDA)
    yield "fixed, bound", lambda feeds: _bound(path, feeds, _CUDA, fixed=True)
    yield "bound, graph", lambda feeds: _bound(path, feeds, _CUDA, graph)
    yield "fixed, bound, graph", lambda feeds: _bound(path, feeds, _CUDA, graph, fixed=True)
    yield "the same, no TF32", lambda feeds: _bound(path, feeds, _CUDA, {**graph, "use_tf32": "0"}, fixed=True)
    yield "the same, fp16", lambda feeds: _bound(halved, feeds, _CUDA, graph, fixed=True)
    yield "arrays, fp16", lambda feeds: _arrays(_session(halved, _CUDA), feeds)
    yield "TensorRT, fp16", lambda feeds: _bound(path, feeds, _TENSORRT, tensorrt, fixed=True)


def _session(
    path: Path, provider: str, given: Mapping[str, str] | None = None, sizes: Mapping[str, int] | None = None
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.log_severity_level = 3
    for name, size in (sizes or {}).items():
        options.add_free_dimension_override_by_name(name, size)
    session = onnxruntime.InferenceSession(
        str(path), options, providers=[(provider, dict(given or {}))], enable_fallback=0
    )
    if session.get_providers()[0] != provider:
        msg = f"{provider} doesn't start: {session.get_providers()}"
        raise RuntimeError(msg)
    return session


def _arrays(session: onnxruntime.InferenceSession, feeds: Feeds) -> Step:
    return lambda: session.run(["vector"], feeds)[0]


def _bound(
    path: Path, feeds: Feeds, provider: str, given: Mapping[str, str] | None = None, *, fixed: bool = False
) -> Step:
    """Make buffers once; a step copies in, runs, copies out. Their addresses stay, as a CUDA graph needs."""
    free = _session(path, _CPU).get_inputs()
    sizes = {
        str(name): size
        for one in free
        for name, size in zip(one.shape, feeds[one.name].shape, strict=True)
        if isinstance(name, str)
    }
    session = _session(path, provider, given, sizes if fixed else None)
    device = "cpu" if provider == _CPU else "cuda"
    binding = session.io_binding()
    inputs = {name: onnxruntime.OrtValue.ortvalue_from_numpy(value, device, 0) for name, value in feeds.items()}
    for name, value in inputs.items():
        binding.bind_ortvalue_input(name, value)
    rows, width = len(next(iter(feeds.values()))), session.get_outputs()[0].shape[1]
    output = onnxruntime.OrtValue.ortvalue_from_shape_and_type([rows, width], np.float32, device, 0)
    binding.bind_ortvalue_output("vector", output)

    def step() -> np.ndarray:
        for name, value in feeds.items():
            inputs[name].update_inplace(value)
        session.run_with_iobinding(binding)
        return np.array(output.numpy())

    return step


def _golden(manifest: Manifest, model: Path, weights: str) -> list[Any]:
    """Hold the golden inputs against the model with these weights, as an encoder would when it is loaded."""
    files = {"model.onnx": model, **{name: manifest.path(name) for name in manifest.sha256 if name != "model.onnx"}}
    with tempfile.TemporaryDirectory() as name:
        for file, path in files.items():
            (Path(name) / file).symlink_to(path.resolve())
        # As lenient as can be: what is wanted is the difference, not the refusal.
        lenient = msgspec.structs.replace(manifest, folder=name, sha256={}, tolerance=10.0)
        try:
            encoder = KINDS[manifest.kind](lenient, 1)
        except Exception as error:
            return [manifest.id, weights or "fp32", "", None, f"{manifest.tolerance:.1e}", _reason(error)]
        found = encoder.encode([encoder.golden(golden.text) for golden in manifest.goldens])
        worst = float(np.abs(found - np.array([golden.vector for golden in manifest.goldens], np.float32)).max())
    return [manifest.id, weights or "fp32", encoder.provider, f"{worst:.1e}", f"{manifest.tolerance:.1e}", ""]


def _encoder(encoder_id: str, n: int, models: Path, threads: Sequence[int]) -> Iterator[list[Any]]:
    pictures = encoder_id == "efficientnet-lite0"
    english = [title for title in SAMPLE_TITLES if title.isascii()]
    titles = english if encoder_id == "minilm" else SAMPLE_TITLES
    contents: Sequence[Any] = jpegs(n) if pictures else [f"{titles[i % len(titles)]} {i}" for i in range(n)]
    what = PICTURES if pictures else "short titles, EN" if encoder_id == "minilm" else "short titles, EN and ZH"
    for many in threads:
        progress(f"{encoder_id}, {many} threads")
        began = time.perf_counter()
        try:
            encoder = load_encoder(encoder_id, models, threads=many)
        except EncoderError as error:
            yield [encoder_id, what, many, None, None, None, _reason(error)]
            continue
        loaded = round(time.perf_counter() - began, 2)
        encoder.encode(contents[: n // 2])  # every shape of a batch has come
        best = 0.0
        for _ in range(3):
            began = time.perf_counter()
            encoder.encode(contents)
            best = max(best, n / (time.perf_counter() - began))
        yield [encoder.manifest.id, what, many, encoder.provider, round(best, 1), loaded, ""]


def _rate(step: Step, items: int, seconds: float) -> float:
    for _ in range(3):
        step()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        step()
        steps += 1
    return round(items * steps / (time.perf_counter() - began), 1)


def _least(one: np.ndarray, other: np.ndarray) -> str:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return f"{((one * other).sum(axis=1) / lengths).min():.7f}"


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][-_LONGEST_REASON:]


def main() -> int:
    """Run from the command line; the last line of stdout is JSON."""
    parser = argparse.ArgumentParser(description=sys.modules[__name__].__doc__)
    parser.add_argument("--provider", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each way and shape")
    parser.add_argument("--models", type=Path, help="a folder of exported encoders; default: export them")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="that prepare contents")
    parser.add_argument("--json", action="store_true", help="accepted for symmetry: the JSON line is always printed")
    given = parser.parse_args()
    if given.provider == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    print(json.dumps(run(given.provider, given.seconds, given.models, given.threads)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
