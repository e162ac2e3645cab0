"""CLIP: two graphs, one space, and the rule for a thing that has both; on a small random one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, CLIPModel

from encoders import BrokenEncoderError, Cases, MultimodalEncoder, Thing, check_encoder, load_encoder
from encoders.export.__main__ import main
from encoders.export.graphs import PARITY
from tests.encoders.checkpoints import save_clip
from tests.encoders.pictures import bomb, data_url, drawn

RED, BLUE = drawn(seed=1), drawn(90, 40, "JPEG", seed=2)
CASES = Cases(
    good=[
        Thing(text="a shoe"), Thing(image=RED), Thing(text="a red shoe, size 42", image=BLUE), Thing(text="跑步鞋"),
        Thing(text="", image=BLUE), Thing(text="a pan", image=b"no picture"),
    ],
    bad=[
        (Thing(), "empty"), (Thing(text=" ", image=b""), "empty"), (Thing(image=bomb(9_000, 9_000)), "too_large"),
        (Thing(text="a" * 300_000), "too_large"), (Thing(image=RED[:100]), "broken"), ("a shoe", "broken"),
        (Thing(text="\udc00", image=b"no picture"), "broken"), (Thing(image="http://example.com/a"), "refused"),
    ],
)  # fmt: skip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, MultimodalEncoder]:
    """The checkpoint, and the encoder made of it."""
    source, folder = tmp_path_factory.mktemp("clip") / "Small-CLIP", tmp_path_factory.mktemp("models")
    save_clip(source)
    assert main(["--from", str(source), "--random", "--models-dir", str(folder)]) == 0
    found = load_encoder("small-clip", folder)
    assert isinstance(found, MultimodalEncoder)
    return source, found


def test_both_towers_are_torchs_own(clip: tuple[Path, MultimodalEncoder]) -> None:
    source, encoder = clip
    model, tokenizer = CLIPModel.from_pretrained(source).eval(), AutoTokenizer.from_pretrained(source)
    ids = tokenizer("a red shoe", return_tensors="pt")["input_ids"]
    pixels = encoder.prepare(Thing(image=RED)).pixels
    with torch.no_grad():
        out = model(input_ids=ids, pixel_values=torch.from_numpy(pixels)[None])

    found = encoder.encode([Thing(text="a red shoe"), Thing(image=RED)])

    assert np.abs(found[0] - out.text_embeds[0].numpy()).max() <= PARITY
    assert np.abs(found[1] - out.image_embeds[0].numpy()).max() <= PARITY


def test_it_conforms_and_says_that_it_is_random(clip: tuple[Path, MultimodalEncoder]) -> None:
    manifest = clip[1].manifest

    assert check_encoder(MultimodalEncoder, manifest, CASES)
    assert (manifest.kind, manifest.weights, manifest.space_id) == ("multimodal", "random", "small-clip/1")
    assert {"text.onnx", "image.onnx"} <= set(manifest.sha256)


def test_a_thing_with_both_is_the_mean_of_both(clip: tuple[Path, MultimodalEncoder]) -> None:
    text, image, both = clip[1].encode([Thing(text="a pan"), Thing(image=RED), Thing(text="a pan", image=RED)])

    mean = (text + image) / 2
    np.testing.assert_allclose(both, mean / np.linalg.norm(mean), atol=1e-5)
    assert abs(float(text @ image)) < 0.99


def test_what_cant_be_used_leaves_the_other(clip: tuple[Path, MultimodalEncoder]) -> None:
    encoder = clip[1]

    vectors, status = encoder.encode_with_status(
        [Thing(text="a pan", image=b"no picture"), Thing(text="a pan"), Thing(text="", image=RED), Thing(image=RED)]
    )

    assert status == ["ok"] * 4
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
    np.testing.assert_allclose(vectors[2], vectors[3], atol=1e-5)


def test_a_data_url_is_a_picture_like_any_other(clip: tuple[Path, MultimodalEncoder]) -> None:
    inline, bytes_ = clip[1].encode([Thing(image=data_url(RED)), Thing(image=RED)])

    np.testing.assert_allclose(inline, bytes_, atol=1e-6)


def test_another_rule_is_refused(clip: tuple[Path, MultimodalEncoder]) -> None:
    with pytest.raises(BrokenEncoderError, match="another rule to combine"):
        MultimodalEncoder(msgspec.structs.replace(clip[1].manifest, combine="max"))
