"""The manifest: everything about an encoder that its users rely on, beside its model file."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import msgspec

from encoders.errors import BrokenEncoderError, UnknownEncoderError

__all__ = ["ALIASES", "Golden", "ImageInput", "Manifest", "default_models_dir", "file_sha256", "load_manifest"]

#: Short names, wherever an encoder is named; `load_encoder("text")` is the default one for text.
ALIASES = {"text": "use-multilingual-v3", "minilm": "minilm-l6-v2", "minilm-int8": "minilm-l6-v2-int8"}


class Golden(msgspec.Struct, frozen=True):
    """An input, written as text (`Encoder.golden` says how), and the vector it must give."""

    text: str
    vector: list[float]


class ImageInput(msgspec.Struct, frozen=True, kw_only=True):
    """How a picture becomes the model's input.

    Attributes
    ----------
    size : int
        Pixels of a side of the square that the model sees.
    resize : int
        The shorter side is brought to so many pixels and the middle is cut out; 0: the picture is squashed to `size`.
    filter : str
        ``bilinear`` or ``bicubic``.
    mean, std : tuple of float
        By channel, on the scale 0 to 1.
    """

    size: int
    resize: int = 0
    filter: str = "bicubic"
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What `manifest.json` says.

    Attributes
    ----------
    space_id : str
        Vectors are comparable exactly when this is equal.
    batch_invariant : bool
        Whether a text's vector is the same alone and in a batch; only such vectors may be cached.
    sha256 : dict
        Of every file beside the manifest.
    goldens : list of Golden
        Checked whenever the encoder is loaded, on the provider that was really chosen.
    tokenizer : str
        ``sentencepiece`` or ``tokenizers``: which library reads the tokenizer beside the model.
    image : ImageInput or None
        Of encoders that take pictures.
    combine : str
        Of encoders that take a text and a picture of one thing: how the two vectors become one.
    weights : str
        ``pretrained``, ``trained`` here, or ``random``: initialised at random, to test the road and nothing else.
    """

    id: str
    version: str
    space_id: str
    kind: str
    opset: int
    inputs: dict[str, str]
    outputs: dict[str, str]
    dim: int
    pooling: str
    normalised: bool
    max_len: int
    languages: list[str]
    preprocessing: str
    batch_invariant: bool
    licence: str
    source: str
    sha256: dict[str, str]
    projection_version: str
    tolerance: float
    goldens: list[Golden]
    tokenizer: str = "sentencepiece"
    pad_id: int = 0
    image: ImageInput | None = None
    combine: str = ""
    weights: str = "pretrained"
    folder: str = ""

    def path(self, name: str) -> Path:
        """Return the path of a file beside the manifest."""
        return Path(self.folder) / name

    def dtype(self, name: str) -> str:
        """Return the dtype of a model input: what stands before its shape."""
        return self.inputs[name].split(" ", 1)[0]

    def verify(self) -> None:
        """Compare every file with its checksum.

        Raises
        ------
        BrokenEncoderError
            A file is missing or was changed.
        """
        for name, expected in self.sha256.items():
            path = self.path(name)
            found = file_sha256(path) if path.exists() else "nothing"
            if found != expected:
                msg = (
                    f"{path} has sha256 {found}, its manifest says {expected}: "
                    "export it again with `python -m encoders.export`"
                )
                raise BrokenEncoderError(msg)


def default_models_dir() -> Path:
    """Return where encoders are installed: `$USERPRISM_MODELS_DIR`, else inside the environment."""
    given = os.environ.get("USERPRISM_MODELS_DIR")
    return Path(given) if given else Path(sys.prefix) / "share" / "userprism" / "models"


def load_manifest(encoder_id: str, models_dir: str | Path | None = None) -> Manifest:
    """Read an encoder's manifest.

    Raises
    ------
    UnknownEncoderError
        It isn't installed; the message names the folder that was looked at and those that are there.
    BrokenEncoderError
        The manifest can't be read.
    """
    folder = Path(models_dir) if models_dir else default_models_dir()
    name = ALIASES.get(encoder_id, encoder_id)
    path = folder / name / "manifest.json"
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        present = sorted(p.parent.name for p in folder.glob("*/manifest.json"))
        called = repr(encoder_id) if name == encoder_id else f"{encoder_id!r} ({name})"
        msg = (
            f"no encoder {called} in {folder}; there: {', '.join(present) or 'none'}. "
            "Install one with `userprism encoders export`, or set USERPRISM_MODELS_DIR"
        )
        raise UnknownEncoderError(msg) from None
    except msgspec.DecodeError as error:
        msg = f"{path} is no manifest: {error}"
        raise BrokenEncoderError(msg) from error
    return msgspec.structs.replace(manifest, folder=str(path.parent))


def file_sha256(path: Path) -> str:
    """Return a file's checksum."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
