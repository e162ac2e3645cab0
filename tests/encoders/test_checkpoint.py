"""Checkpoints leave torch as they are: torch's own vectors, whatever the batch and the length, for every pooling."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from encoders import BrokenEncoderError, Cases, TextEncoder, check_encoder, load_encoder, load_projection
from encoders.checking import standard_cases
from encoders.export.checkpoint import Pooling, export_checkpoint
from encoders.export.graphs import PARITY, check_parity, write_graph
from encoders.export.int8 import LEAST_COSINE
from encoders.export.minilm import MINILM, export_minilm, export_minilm_int8, minilm_checkpoint
from tests.encoders.checkpoints import save_random

TEXTS = ["a", "running shoes", "跑步鞋 2026", "a phone, a pan - and a car " * 6, "煎锅"]
CASES = Cases(good=TEXTS, bad=[("", "empty"), ("a" * 300_000, "too_large"), (3.5, "broken"), ("\udc00", "broken")])
ROADS: list[tuple[str, Pooling]] = [("bert", "mean"), ("bert", "cls"), ("roberta", "mean"), ("gpt2", "last")]


@pytest.fixture(scope="module", params=ROADS, ids="-".join)
def road(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Pooling]:
    """Checkpoint, folder of encoders with `small` in it, pooling."""
    family, pooling = request.param
    source, folder = tmp_path_factory.mktemp("checkpoint"), tmp_path_factory.mktemp("models")
    save_random(source, family)
    export_checkpoint(source, folder, encoder_id="small", pooling=pooling, weights="random")
    return source, folder, pooling


def torch_vectors(source: Path, pooling: Pooling, texts: list[str], max_len: int) -> np.ndarray:
    """Return what transformers itself makes of each text, alone and without padding."""
    model, tokenizer = AutoModel.from_pretrained(source), AutoTokenizer.from_pretrained(source)
    rows = []
    for text in texts:
        ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=max_len)["input_ids"]
        with torch.no_grad():
            hidden = model.eval()(input_ids=ids).last_hidden_state[0]
        pooled = {"mean": hidden.mean(dim=0), "cls": hidden[0], "last": hidden[-1]}[pooling]
        rows.append((pooled / pooled.norm()).numpy())
    return np.array(rows)


def test_vectors_are_torchs_own(road: tuple[Path, Path, Pooling]) -> None:
    source, folder, pooling = road
    encoder = load_encoder("small", folder)

    found = encoder.encode(TEXTS)

    expected = torch_vectors(source, pooling, TEXTS, encoder.manifest.max_len)
    assert np.abs(found - expected).max() <= PARITY
    assert len({row.tobytes() for row in found}) == len(TEXTS)


def test_it_conforms_and_says_that_it_is_random(road: tuple[Path, Path, Pooling]) -> None:
    _, folder, pooling = road
    manifest = load_encoder("small", folder).manifest

    assert check_encoder(TextEncoder, manifest, CASES)
    assert (manifest.weights, manifest.pooling) == ("random", pooling)


def test_roberta_keeps_positions_for_its_padding(tmp_path: Path) -> None:
    save_random(tmp_path / "checkpoint", "roberta")

    export_checkpoint(tmp_path / "checkpoint", tmp_path, encoder_id="small", weights="random")

    manifest = load_encoder("small", tmp_path).manifest
    assert (manifest.max_len, manifest.pad_id) == (94, 1)


def test_pooling_comes_from_the_folder_when_it_says_so(tmp_path: Path) -> None:
    source = save_random(tmp_path / "checkpoint", "bert")
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling" / "config.json").write_text('{"pooling_mode_cls_token": true}')
    (source / "sentence_bert_config.json").write_text('{"max_seq_length": 12}')

    export_checkpoint(source, tmp_path, encoder_id="small", weights="random")

    manifest = load_encoder("small", tmp_path).manifest
    assert (manifest.pooling, manifest.max_len) == ("cls", 12)


def test_a_folder_that_is_no_checkpoint_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    source = save_random(tmp_path / "checkpoint", "bert")
    (source / "model.safetensors").unlink()

    with pytest.raises(BrokenEncoderError, match="can't be read as a checkpoint"):
        export_checkpoint(source, tmp_path / "models", encoder_id="small")

    assert not list((tmp_path / "models").glob("*"))


def test_a_graph_that_differs_from_torch_is_refused(tmp_path: Path) -> None:
    example = {"x": np.ones((2, 3), np.float32)}
    doubled, tripled = torch.nn.Module(), torch.nn.Module()
    doubled.forward = lambda x: x * 2  # type: ignore[method-assign]
    tripled.forward = lambda x: x * 3  # type: ignore[method-assign]

    assert write_graph(doubled, tmp_path / "graph.onnx", example, {"x": {0: "batch"}}, []) == 0.0
    with pytest.raises(BrokenEncoderError, match=r"graph\.onnx differs from torch by 0\.33"):
        check_parity(tripled, tmp_path / "graph.onnx", [example])


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    assert export_minilm(folder)[1]
    return folder


def test_minilm_is_the_packages_own(minilm: Path) -> None:
    encoder = load_encoder(MINILM, minilm)

    found = encoder.encode(TEXTS)

    expected = torch_vectors(minilm_checkpoint(), "mean", TEXTS, 256)
    assert np.abs(found - expected).max() <= PARITY
    assert check_encoder(TextEncoder, encoder.manifest, CASES)
    assert export_minilm(minilm) == (minilm / MINILM, False)


def test_minilm_knows_what_is_alike(minilm: Path) -> None:
    encoder = load_encoder(MINILM, minilm)
    asked = encoder.encode(["How do I cook rice?", "Cheap flights to London", "Stock prices fell sharply"])
    found = encoder.encode(["Shares dropped a lot", "Preparing rice", "Low-cost plane tickets to London"])

    assert (asked @ found.T).argmax(axis=1).tolist() == [1, 2, 0]
    assert load_projection(encoder.manifest, 64).apply(asked).shape == (3, 64)


def test_a_changed_model_is_refused(minilm: Path, tmp_path: Path) -> None:
    shutil.copytree(minilm / MINILM, tmp_path / MINILM)
    with (tmp_path / MINILM / "tokenizer.json").open("a") as file:
        file.write(" ")

    with pytest.raises(BrokenEncoderError, match=r"tokenizer\.json has sha256"):
        load_encoder(MINILM, tmp_path)


def test_int8_is_near_conforms_and_has_a_space_of_its_own(minilm: Path, tmp_path: Path) -> None:
    shutil.copytree(minilm / MINILM, tmp_path / MINILM)
    export_minilm_int8(tmp_path)
    plain, small = load_encoder(MINILM, tmp_path), load_encoder(f"{MINILM}-int8", tmp_path)
    texts = ["Cast iron skillet", "Weekend trip to Kyoto 2026, with children", "a"]

    assert (plain.encode(texts) * small.encode(texts)).sum(axis=1).min() > LEAST_COSINE
    assert plain.manifest.space_id != small.manifest.space_id
    assert small.manifest.path("model.onnx").stat().st_size < plain.manifest.path("model.onnx").stat().st_size
    assert check_encoder(TextEncoder, small.manifest, standard_cases(small.manifest))
