"""One vector for what a thing says and shows: chunks, pictures, frames, and the two rules for both."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from encoders import BrokenEncoderError, ContentEncoder, NoVectorError, Projection, Thing, content_space, load_encoder
from encoders.chunks import chunks
from encoders.export.clip import export_clip
from encoders.export.vision import export_vision
from encoders.video import frames
from tests.encoders.checkpoints import save_clip, save_vit
from tests.encoders.pictures import data_url, drawn
from tests.encoders.test_contract import tiny
from tests.encoders.videos import fading

RED, DARK = data_url(drawn(40, 30, seed=1)), data_url(drawn(30, 30, seed=2))


def video_url(data: bytes) -> str:
    return "data:video/mp4;base64," + base64.b64encode(data).decode()


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


@given(st.text(alphabet="ab .,。!\n长", max_size=300), st.integers(1, 40))
def test_chunks_are_short_enough_and_lose_nothing_but_space(text: str, longest: int) -> None:
    found = chunks(text, longest)

    assert all(0 < len(piece) <= longest for piece in found) or len(text) <= longest
    assert "".join("".join(found).split()) == "".join(text.split())


def test_chunks_end_where_a_reader_pauses() -> None:
    assert chunks("One two three. Four five six. Seven.", 30) == ["One two three. Four five six.", "Seven."]
    assert chunks("一二三四五。六七八九十！一二三。", 12) == ["一二三四五。六七八九十！", "一二三。"]
    assert chunks("aaaa bbbb, cccc dddd eeee", 15) == ["aaaa bbbb,", "cccc dddd eeee"]


@pytest.mark.parametrize(("form", "codec"), [("mp4", "mpeg4"), ("matroska", "mpeg4"), ("mov", "mpeg4")])
def test_frames_are_spread_over_a_video(form: str, codec: str) -> None:
    grey = [float(np.asarray(frame).mean()) for frame in frames(fading(form=form, codec=codec), 4)]

    assert len(grey) == 4
    np.testing.assert_allclose(grey, [32, 96, 160, 224], atol=12)
    assert len(frames(fading(frames=1), 8)) == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"), (b"#EXTM3U\nfile:///etc/passwd", "unsupported"), (drawn(), "unsupported"),
        (fading()[:300], "broken"), (b"\0\0\0\x18ftypisom" + b"\0" * 100, "broken"),
    ],
)  # fmt: skip
def test_what_is_no_video_has_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(NoVectorError) as caught:
        frames(data)

    assert caught.value.reason == reason


def test_a_long_text_is_the_mean_of_its_chunks_by_their_lengths(tmp_path: Path) -> None:
    tiny(tmp_path / "tiny")
    encoder = ContentEncoder(content_space("tiny", models_dir=tmp_path), tmp_path)

    vectors, status = encoder.encode_with_status([Thing(text="red"), Thing(text="red. blue. blue."), Thing(text=" ")])

    # Six characters fit: "red.", "blue.", "blue." weigh 4, 5 and 5; the stop is an unknown word of its own.
    assert status == ["ok", "ok", "empty"]
    np.testing.assert_allclose(vectors[:2], [[0, 1, 0, 0], unit(np.array([14.0, 4.0, 0.0, 10.0]))], atol=1e-6)
    assert np.isnan(vectors[2]).all()


def test_a_long_text_with_the_default_encoder_is_read_to_its_end() -> None:
    encoder = ContentEncoder(content_space("text"))
    filler = "The weather was fine and nothing happened on that day. " * 20
    with_end = filler + "Then the volcano erupted and destroyed the harbour. " * 10

    vectors, _ = encoder.encode_with_status([Thing(text=filler), Thing(text=with_end), Thing(text="volcano eruption")])

    assert vectors[1] @ vectors[2] > vectors[0] @ vectors[2] + 0.1
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text encoder, an image encoder, and a multimodal one, all small and random."""
    folder = tmp_path_factory.mktemp("models")
    tiny(folder / "tiny")
    export_vision(save_vit(tmp_path_factory.mktemp("vit") / "vit"), folder, encoder_id="vit", weights="random")
    export_clip(save_clip(tmp_path_factory.mktemp("clip") / "clip"), folder, encoder_id="clip", weights="random")
    return folder


def test_one_space_is_the_unit_of_the_sum(models: Path) -> None:
    encoder = ContentEncoder(content_space("clip", models_dir=models), models)
    alone = load_encoder("clip", models)
    text, image = alone.encode([Thing(text="a pan"), Thing(image=RED)])

    found, status = encoder.encode_with_status(
        [Thing(text="a pan"), Thing(image=RED), Thing(text="a pan", image=RED), Thing(text="a pan", image="http://x/y")]
    )

    assert status == ["ok"] * 4
    expected = np.array([text, image, unit(text + image), text])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_pair_stands_side_by_side_and_what_is_missing_is_zeros(models: Path) -> None:
    space = content_space("tiny", "vit", models)
    encoder = ContentEncoder(space, models, threads=2)
    image = load_encoder("vit", models).encode([RED])[0]

    found, status = encoder.encode_with_status(
        [
            Thing(text="red", image=RED), Thing(text="red"), Thing(image=RED), Thing(),
            Thing(image="http://example.com/x.png"), Thing(image=RED, video=video_url(b"no video")),
        ]
    )  # fmt: skip

    assert status == ["ok", "ok", "ok", "empty", "refused", "ok"]
    word, nothing = np.array([0, 1, 0, 0], np.float32), np.zeros(len(image), np.float32)
    for row, (one, other) in enumerate([(word, image), (word, nothing), (np.zeros(4), image)]):
        np.testing.assert_allclose(found[row], np.concatenate([one, other]), atol=1e-5)
    np.testing.assert_allclose(found[5], found[2], atol=1e-6)
    assert np.isnan(found[3:5]).all()
    assert (space.space_id, space.dim) == ("tiny/1 + vit/1", 4 + len(image))


def test_a_video_is_the_mean_of_its_frames_and_of_the_picture_beside_it(models: Path) -> None:
    encoder = ContentEncoder(content_space("tiny", "vit", models), models)
    film = fading(12)
    one_by_one = load_encoder("vit", models).encode([*frames(film), DARK])

    found, status = encoder.encode_with_status([Thing(video=video_url(film)), Thing(video=video_url(film), image=DARK)])

    assert status == ["ok", "ok"]
    np.testing.assert_allclose(found[0, 4:], unit(one_by_one[:-1].mean(axis=0)), atol=1e-5)
    np.testing.assert_allclose(found[1, 4:], unit(one_by_one.mean(axis=0)), atol=1e-5)


def test_what_is_missing_is_the_middle_of_its_part_of_the_projection() -> None:
    random = np.random.default_rng(0)
    parts = [Projection(random.normal(size=(2, w)).astype(np.float32), np.ones(w, np.float32), "1") for w in (4, 3)]
    both = Projection.beside(parts)
    text, image = random.normal(size=(2, 4)).astype(np.float32), random.normal(size=(2, 3)).astype(np.float32)
    image[1] = 0

    found = both.apply(np.hstack([text, image]))

    np.testing.assert_allclose(found[:, :2], parts[0].apply(text), rtol=1e-5)
    np.testing.assert_allclose(found[0, 2:], parts[1].apply(image)[0], rtol=1e-5)
    assert not found[1, 2:].any()


def test_kinds_that_dont_go_together_are_refused(models: Path) -> None:
    for text, image in (("vit", ""), ("tiny", "tiny"), ("clip", "vit")):
        with pytest.raises(BrokenEncoderError, match="content can't be encoded by"):
            content_space(text, image, models)
