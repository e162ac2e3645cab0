"""Bytes become pixels in one way, and what is broken, enormous or strange becomes a reason."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from encoders import NoVectorError
from encoders.images import decode, to_array
from encoders.images.decode import MAX_PIXELS
from encoders.manifest import ImageInput
from tests.encoders.pictures import bomb, drawn, encoded

PLAIN = ImageInput(size=8, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_every_format_gives_its_pixels(form: str) -> None:
    picture = decode(drawn(64, 48, form))

    assert (picture.mode, picture.size) == ("RGB", (64, 48))
    reference = np.asarray(decode(drawn(64, 48, "PNG")), np.float32)
    assert np.abs(np.asarray(picture, np.float32) - reference).mean() < 12


@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    assert decode(drawn(mode=mode)).mode == "RGB"


def test_transparent_is_white_and_a_palette_is_looked_up() -> None:
    see_through = Image.new("RGBA", (4, 4), (255, 0, 0, 0))

    assert np.asarray(decode(encoded(see_through))).min() == 255
    assert decode(encoded(Image.new("P", (2, 2), 0), "GIF")).getpixel((0, 0)) == (0, 0, 0)


def test_a_picture_on_its_side_is_put_upright() -> None:
    picture = Image.new("RGB", (8, 4))
    exif = picture.getexif()
    exif[0x0112] = 6

    assert decode(encoded(picture, "JPEG", exif=exif)).size == (4, 8)


def test_a_large_jpeg_is_decoded_small_but_not_too_small() -> None:
    picture = decode(drawn(1600, 1200, "JPEG"), at_least=512)

    assert picture.size == (800, 600)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, I am no picture", "unsupported"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported"),
        (encoded(Image.new("RGB", (4, 4)), "TIFF"), "unsupported"),
        (drawn(form="JPEG")[:400], "broken"),
        (drawn(form="PNG")[:200], "broken"),
        (bomb(60_000, 60_000), "too_large"),
        (bomb(10_000, 9_000), "too_large"),
        (bomb(8_000, 7_000), "too_large"),
    ],
)
def test_what_is_no_picture_has_its_reason(data: bytes, reason: str) -> None:
    with pytest.raises(NoVectorError) as caught:
        decode(data)

    assert caught.value.reason == reason


def test_a_bomb_is_small_until_it_is_read() -> None:
    assert len(bomb(60_000, 60_000)) < 20_000 < MAX_PIXELS


def test_the_middle_is_cut_out_and_the_rest_is_never_blown_up() -> None:
    picture = Image.new("RGB", (1, 1_000_000), "black")
    picture.paste("white", (0, 499_999, 1, 500_001))

    array = to_array(picture, ImageInput(size=8, resize=8, mean=(0.0,) * 3, std=(1.0,) * 3))

    assert array.shape == (3, 8, 8)
    assert array.max() > 0.5


def test_channels_come_first_and_are_standardised() -> None:
    array = to_array(Image.new("RGB", (30, 20), (255, 0, 51)), PLAIN)
    standard = to_array(Image.new("RGB", (30, 20), (255, 0, 51)), ImageInput(size=8))

    np.testing.assert_allclose(array[:, 0, 0], [1.0, 0.0, 0.2], atol=1e-6)
    np.testing.assert_allclose(standard[:, 3, 3], [1.0, -1.0, -0.6], atol=1e-6)


def test_cutting_equals_resizing_then_cropping() -> None:
    picture = decode(drawn(128, 96))
    whole = picture.resize((16 * 4 // 3 * 1 + 0, 16), Image.Resampling.BICUBIC, box=(0, 0, 126, 96))
    left = (whole.size[0] - 8) // 2

    found = to_array(picture, ImageInput(size=8, resize=16, mean=(0.0,) * 3, std=(1.0,) * 3))

    expected = np.asarray(whole.crop((left, 4, left + 8, 12)), np.float32).transpose(2, 0, 1) / 255
    assert np.abs(found - expected).mean() < 0.05
