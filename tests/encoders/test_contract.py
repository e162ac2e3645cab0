"""The contract, on a text model so small that its vectors can be worked out by hand, and on broken ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from encoders import BrokenEncoderError, TextEncoder, load_encoder
from encoders.batching import batches
from encoders.conformance import CHECKS, Cases, EncoderConformanceError, check_encoder
from encoders.contract import Vectors
from encoders.manifest import Golden, Manifest, file_sha256
from encoders.session import Session

WORDS = {"[UNK]": 0, "red": 1, "green": 2, "blue": 3}
CASES = Cases(
    good=["red", "red green", "blue blue blue green", "mauve"],
    bad=[
        ("", "empty"), ("  \n", "empty"), ("red " * 100_000, "too_large"), (None, "broken"), (b"red", "broken"),
        ("red \ud800", "broken"),
    ],
)  # fmt: skip


def tiny(folder: Path, *, mean: bool = False) -> Manifest:
    """Write a model whose vector is the sum of one-hot words under the mask; with `mean`, padding counts (a bug)."""
    folder.mkdir(parents=True, exist_ok=True)
    unit = numpy_helper.from_array(np.eye(4, dtype=np.float32), "words")
    axes = numpy_helper.from_array(np.array([2], np.int64), "last")
    nodes = [
        helper.make_node("Gather", ["words", "input_ids"], ["rows"]),
        helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
        helper.make_node("Mul", ["rows", "wide"], ["kept"]),
        helper.make_node("ReduceMean" if mean else "ReduceSum", ["kept", "one"], ["vector"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"]),
            helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", "tokens"]),
        ],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, ["batch", 4])],
        [unit, axes, numpy_helper.from_array(np.array([1], np.int64), "one")],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), folder / "model.onnx"
    )
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    manifest = Manifest(
        id="tiny", version="1", space_id="tiny/1", kind="text", opset=18,
        inputs={"input_ids": "int64 (batch, tokens)", "mask": "float32 (batch, tokens)"},
        outputs={"vector": "float32 (batch, 4)"}, dim=4, pooling="sum", normalised=False, max_len=8, languages=["en"],
        preprocessing="words", batch_invariant=True, licence="Apache-2.0", source="a test", tokenizer="tokenizers",
        sha256={name: file_sha256(folder / name) for name in ("model.onnx", "tokenizer.json")}, projection_version="",
        tolerance=1e-6, goldens=[Golden("red green red", [0.0, 2.0, 1.0, 0.0] if not mean else [0, 2 / 3, 1 / 3, 0])],
        weights="random", folder=str(folder),
    )  # fmt: skip
    (folder / "manifest.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(manifest, folder="")))
    return manifest


def test_vectors_can_be_worked_out_by_hand(tmp_path: Path) -> None:
    tiny(tmp_path / "tiny")

    found = load_encoder("tiny", tmp_path).encode(["red green", "blue blue", "mauve"])

    assert found.tolist() == [[0, 1, 1, 0], [0, 0, 0, 2], [1, 0, 0, 0]]


def test_it_conforms(tmp_path: Path) -> None:
    assert check_encoder(TextEncoder, tiny(tmp_path), CASES) == [check.__name__ for check in CHECKS]


def test_padding_that_counts_is_found(tmp_path: Path) -> None:
    manifest = tiny(tmp_path, mean=True)

    with pytest.raises(EncoderConformanceError, match=r"batch_equals_single|padding_changes_nothing"):
        check_encoder(TextEncoder, manifest, CASES)


def test_goldens_nobody_checks_are_found(tmp_path: Path) -> None:
    class Careless(TextEncoder):
        def _check_goldens(self) -> None:
            pass

    with pytest.raises(EncoderConformanceError, match="golden 0 isn't checked"):
        check_encoder(Careless, tiny(tmp_path), CASES)


def test_zeros_for_what_is_broken_are_found(tmp_path: Path) -> None:
    class Zeros(TextEncoder):
        def encode_with_status(self, contents: Sequence[str]) -> tuple[Vectors, list[str]]:
            vectors, status = super().encode_with_status(contents)
            return np.nan_to_num(vectors), status

    with pytest.raises(EncoderConformanceError, match="is empty and has a vector"):
        check_encoder(Zeros, tiny(tmp_path), CASES)


def test_a_model_that_answers_zeros_has_no_vector(tmp_path: Path) -> None:
    class Dead(TextEncoder):
        rows = 1

        def _run(self, batch: Sequence[list[int]]) -> Vectors:
            return super()._run(batch) * np.float32(len(batch[0]) != 1)

    vectors, status = Dead(tiny(tmp_path)).encode_with_status(["red green", "red"])

    assert status == ["ok", "no_vector"]
    assert np.isnan(vectors[1]).all()


@pytest.mark.parametrize("field", ["goldens", "kind", "tokenizer"])
def test_an_unusable_manifest_is_refused(tmp_path: Path, field: str) -> None:
    manifest = tiny(tmp_path / "tiny")
    worse = msgspec.structs.replace(manifest, **{field: [] if field == "goldens" else "smell"})
    (tmp_path / "tiny" / "manifest.json").write_bytes(msgspec.json.encode(worse))

    with pytest.raises(BrokenEncoderError, match=r"no golden inputs|of kind 'smell'|tokenizer 'smell'"):
        load_encoder("tiny", tmp_path)


def test_batches_are_sorted_and_bounded() -> None:
    costs = np.random.default_rng(0).integers(1, 300, 500).tolist()

    found = list(batches(costs, rows=32, budget=1024))

    assert sorted(i for batch in found for i in batch) == list(range(500))
    assert [costs[i] for batch in found for i in batch] == sorted(costs)
    assert all(len(batch) <= 32 and len(batch) * max(costs[i] for i in batch) <= 1024 for batch in found)
    assert len(found) < 110


def test_what_is_over_budget_goes_alone() -> None:
    assert list(batches([50, 1, 60], rows=8, budget=10)) == [[1], [0], [2]]


def test_each_step_down_has_its_reason(tmp_path: Path) -> None:
    tiny(tmp_path)

    session = Session(tmp_path / "model.onnx")

    assert session.provider in {"CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"}
    assert len(session.steps_down) == ["Ten", "CUD", "CPU"].index(session.provider[:3])
    assert all(": " in reason for reason in session.steps_down)


def test_a_model_no_provider_can_run_says_why(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"not a model")

    with pytest.raises(BrokenEncoderError, match=r"model\.onnx can't be loaded .*CPUExecutionProvider: "):
        Session(tmp_path / "model.onnx")
