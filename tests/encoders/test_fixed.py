"""Batches in fixed shapes, on the CPU, where the same sessions, buffers and shapes run without the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from encoders import TextEncoder
from encoders.batching import bucket
from encoders.conformance import CHECKS, check_encoder
from encoders.fixed import CELLS, ROWS, FixedShapes, length_of
from encoders.session import Session, _options
from tests.encoders.test_contract import CASES, tiny

CPU = ("CPUExecutionProvider",)


class Fixed(TextEncoder):
    """A text encoder that treats a CPU as it would a GPU."""

    def _open(self) -> Sequence[Session]:
        super()._open()
        self._session = Session(self.manifest.path("model.onnx"), fixed=True)
        return [self._session]


def batch(n: int, tokens: int = 16) -> dict[str, np.ndarray]:
    """Return `n` texts, each of other words."""
    ids = np.random.default_rng(n).integers(0, 4, (n, tokens))
    return {"input_ids": ids, "mask": np.ones((n, tokens), np.float32)}


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, Session]:
    """Return a session with fixed shapes and one without."""
    folder = tmp_path_factory.mktemp("fixed")
    tiny(folder)
    path = folder / "model.onnx"
    return Session(path, providers=CPU, fixed=True), Session(path, providers=CPU)


@pytest.mark.parametrize("n", [1, ROWS[0], ROWS[0] + 1, ROWS[-1], ROWS[-1] + 1])
def test_vectors_are_the_same(fixed: tuple[Session, Session], n: int) -> None:
    found, plain = (session.run(**batch(n)) for session in fixed)

    assert found.tolist() == plain.tolist()
    assert fixed[0].refused == ""


def test_few_shapes_are_opened(tmp_path: Path) -> None:
    tiny(tmp_path)
    opened: list[dict[str, int]] = []

    def open_session(sizes: Mapping[str, int]) -> onnxruntime.InferenceSession:
        opened.append(dict(sizes))
        options = onnxruntime.SessionOptions()
        for name, size in sizes.items():
            options.add_free_dimension_override_by_name(name, size)
        return onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), options, providers=list(CPU))

    shapes = FixedShapes({"input_ids": ["batch", "tokens"], "mask": ["batch", "tokens"]}, open_session, "cpu")
    ran = [shapes.run(batch(n)) for n in (1, 3, ROWS[0], ROWS[0] + 1, 1)]

    assert [len(vectors) for vectors in ran if vectors is not None] == [1, 3, ROWS[0], ROWS[0] + 1, 1]
    assert opened == [{"batch": ROWS[0], "tokens": 16}, {"batch": ROWS[1], "tokens": 16}]
    assert shapes.run(batch(ROWS[-1] + 1)) is None
    assert shapes.run(batch(ROWS[0], CELLS // ROWS[0] + 1)) is None
    assert len(opened) == 2


def test_a_vector_outlives_the_next_batch(fixed: tuple[Session, Session]) -> None:
    session, plain = fixed
    first = session.run(**batch(3))
    session.run(**batch(4))

    assert first.tolist() == plain.run(**batch(3)).tolist()


def test_threads_do_not_mix_their_batches(fixed: tuple[Session, Session]) -> None:
    session, plain = fixed
    sizes = [1 + i % 7 for i in range(64)]
    expected = {n: plain.run(**batch(n)).tolist() for n in set(sizes)}

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: session.run(**batch(n)).tolist(), sizes))

    assert found == [expected[n] for n in sizes]


def test_a_shape_that_cannot_be_fixed_says_why() -> None:
    def refuse(sizes: Mapping[str, int]) -> onnxruntime.InferenceSession:
        msg = "no graph of this"
        raise RuntimeError(msg)

    shapes = FixedShapes({"input_ids": ["batch", "tokens"], "mask": ["batch", "tokens"]}, refuse, "cpu")

    assert shapes.run(batch(2)) is None
    assert shapes.refused == f"{{'batch': {ROWS[0]}, 'tokens': 16}}: no graph of this"


def test_an_encoder_with_fixed_shapes_conforms(tmp_path: Path) -> None:
    manifest = tiny(tmp_path)

    assert check_encoder(Fixed, manifest, CASES) == [check.__name__ for check in CHECKS]
    texts = ["red", "red green", "blue blue blue green", "mauve"] * 20
    assert Fixed(manifest).encode(texts).tolist() == TextEncoder(manifest).encode(texts).tolist()


def test_lengths_are_few_and_within_what_the_model_takes() -> None:
    assert {bucket(n) for n in range(1, 257)} == {16, 32, 64, 128, 256}
    assert all(n <= bucket(n, most=200) <= 200 for n in range(1, 201))
    # What is run as it comes isn't padded for nothing.
    assert (length_of(ROWS[-1], 16), length_of(ROWS[-1], 17), length_of(ROWS[-1] + 1, 3)) == (16, 17, 3)


def test_a_gpu_computes_in_full_precision() -> None:
    assert _options("CUDAExecutionProvider", graph=False) == {"use_tf32": "0"}
    assert _options("CUDAExecutionProvider", graph=True) == {"use_tf32": "0", "enable_cuda_graph": "1"}
    assert _options("CPUExecutionProvider", graph=True) == {}
