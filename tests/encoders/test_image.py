"""Image encoders: EfficientNet with its real weights, a random ViT, the same promises for both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_images
from transformers import ViTModel

from encoders import BrokenEncoderError, Cases, ImageEncoder, check_encoder, load_encoder
from encoders.export.__main__ import main
from encoders.export.efficientnet import EFFICIENTNET, LITE0_INPUT, Features, export_efficientnet, lite0
from encoders.export.graphs import PARITY
from encoders.export.vision import FirstToken, image_input
from encoders.images import ImageSource, decode, to_array
from encoders.manifest import ImageInput
from tests.encoders.checkpoints import save_vit
from tests.encoders.pictures import bomb, data_url, drawn

GOOD = [drawn(), data_url(drawn(300, 40, seed=1)), drawn(900, 700, "JPEG", seed=2), drawn(1, 1), drawn(mode="RGBA")]
CASES = Cases(
    good=GOOD,
    bad=[
        (b"", "empty"), ("", "empty"), (bomb(9_000, 9_000), "too_large"), (drawn()[:150], "broken"), (None, "broken"),
        (b"GIF89a", "unsupported"), (b"no picture", "unsupported"), ("http://example.com/a.png", "refused"),
        ("/etc/passwd", "refused"),
    ],
)  # fmt: skip


@pytest.fixture(scope="module")
def efficientnet(tmp_path_factory: pytest.TempPathFactory) -> ImageEncoder:
    folder = tmp_path_factory.mktemp("models")
    assert export_efficientnet(folder)[1]
    assert export_efficientnet(folder) == (folder / EFFICIENTNET, False)
    found = load_encoder(EFFICIENTNET, folder)
    assert isinstance(found, ImageEncoder)
    return found


@pytest.fixture(scope="module")
def vit_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vit") / "Small-ViT"
    save_vit(folder)
    return folder


def test_efficientnet_is_torchs_own(efficientnet: ImageEncoder) -> None:
    pixels = torch.from_numpy(np.stack([efficientnet.prepare(content) for content in GOOD]))
    with torch.no_grad():
        expected = Features(lite0())(pixels).numpy()

    assert np.abs(efficientnet.encode(GOOD) - expected).max() <= PARITY


def test_efficientnet_conforms(efficientnet: ImageEncoder) -> None:
    assert check_encoder(ImageEncoder, efficientnet.manifest, CASES)


def test_efficientnet_sees_what_is_in_a_picture(efficientnet: ImageEncoder) -> None:
    samples = load_sample_images()
    temple, flower = (Image.fromarray(pixels) for pixels in samples.images)
    with torch.no_grad():
        scores = lite0()(torch.from_numpy(to_array(flower, LITE0_INPUT))[None])
    other = flower.transpose(Image.Transpose.FLIP_LEFT_RIGHT).rotate(10)

    def vector(picture: Image.Image) -> np.ndarray:
        return efficientnet._run([to_array(picture, LITE0_INPUT)])[0]

    assert int(scores.argmax()) == 985  # daisy
    assert vector(flower) @ vector(other) > vector(flower) @ vector(temple) + 0.1


def test_vit_is_torchs_own_and_conforms(vit_checkpoint: Path, tmp_path: Path) -> None:
    assert main(["--from", str(vit_checkpoint), "--random", "--models-dir", str(tmp_path)]) == 0
    encoder = load_encoder("small-vit", tmp_path)

    shape = ImageInput(size=32, filter="bilinear", mean=(0.5, 0.4, 0.3), std=(0.5, 0.5, 0.25))
    pixels = torch.from_numpy(np.stack([to_array(decode(data), shape) for data in (drawn(), drawn(seed=5))]))
    with torch.no_grad():
        expected = FirstToken(ViTModel.from_pretrained(vit_checkpoint).eval())(pixels).numpy()
    assert np.abs(encoder.encode([drawn(), drawn(seed=5)]) - expected).max() <= PARITY
    assert (encoder.manifest.kind, encoder.manifest.weights, encoder.manifest.image) == ("image", "random", shape)
    assert check_encoder(ImageEncoder, encoder.manifest, CASES)


def test_pooling_is_no_matter_of_pictures(
    vit_checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--from", str(vit_checkpoint), "--pooling", "cls", "--models-dir", str(tmp_path)]) == 1

    assert "--pooling is for text" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ('{"size": 24, "do_center_crop": false}', ImageInput(size=24, filter="bilinear")),
        (
            '{"size": {"shortest_edge": 40}, "do_center_crop": true, "crop_size": 32, "resample": 3}',
            ImageInput(size=32, resize=40),
        ),
        ('{"size": {"height": 3, "width": 4}}', None),
        ('{"resample": 2}', None),
        ('{"size": 24, "resample": 0}', None),
        ("[]", None),
    ],
)
def test_how_pictures_are_prepared_is_read_from_the_checkpoint(
    tmp_path: Path, settings: str, expected: ImageInput | None
) -> None:
    (tmp_path / "preprocessor_config.json").write_text(settings)

    if expected:
        assert image_input(tmp_path) == expected
    else:
        with pytest.raises(BrokenEncoderError, match="doesn't say how pictures are prepared"):
            image_input(tmp_path)


def test_files_are_read_from_the_folder_that_was_named(efficientnet: ImageEncoder, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(drawn())

    encoder = ImageEncoder(efficientnet.manifest, source=ImageSource((tmp_path,)))

    np.testing.assert_array_equal(encoder.encode([tmp_path / "a.png"]), encoder.encode([drawn()]))
