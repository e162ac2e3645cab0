"""The last steps of every export: projection, golden inputs, manifest, and into place all at once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from encoders.contract import OK, Encoder
from encoders.errors import BrokenEncoderError, EncoderError
from encoders.manifest import Golden, Manifest, file_sha256, load_manifest
from encoders.projection import fit_projection

__all__ = ["PROJECTION_DIMS", "finish", "installing", "is_installed"]

PROJECTION_DIMS = 64


def is_installed(encoder_id: str, models_dir: Path) -> bool:
    """Return whether an encoder is there and intact."""
    try:
        load_manifest(encoder_id, models_dir).verify()
    except EncoderError:
        return False
    return True


@contextmanager
def installing(encoder_id: str, models_dir: Path) -> Iterator[Path]:
    """Give a folder to write to; it becomes the encoder's folder when the block ends well, and goes otherwise."""
    models_dir.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(dir=models_dir, prefix=".export-"))
    try:
        yield work
        folder = models_dir / encoder_id
        shutil.rmtree(folder, ignore_errors=True)
        work.replace(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def finish(
    work: Path, manifest: Manifest, load: Callable[[Manifest], Encoder[Any, Any]], goldens: Sequence[str],
    sample: Sequence[Any] = (),
) -> Manifest:  # fmt: skip
    """Write projection and manifest; both need vectors, so the encoder runs once without them.

    Parameters
    ----------
    work : Path
        Holds the files; every one gets its checksum.
    manifest : Manifest
        All that is known before the files are; checksums and golden vectors are filled in here.
    load : callable
        Makes the encoder.
    goldens : sequence of str
        Golden inputs.
    sample : sequence
        Content whose principal directions become the projection; none without it.

    Raises
    ------
    BrokenEncoderError
        A golden input has no vector.
    """
    files = sorted(path.name for path in work.iterdir())
    bare = msgspec.structs.replace(
        manifest, folder=str(work), goldens=[], sha256={name: file_sha256(work / name) for name in files}
    )
    encoder = load(bare)
    if sample:
        matrix, mean = fit_projection(encoder.encode(sample), PROJECTION_DIMS)
        np.savez(work / "projection.npz", matrix=matrix, mean=mean)
        files.append("projection.npz")
    vectors, status = encoder.encode_with_status([encoder.golden(text) for text in goldens])
    if status != [OK] * len(goldens):
        msg = f"encoder {manifest.id}: golden inputs have no vectors: {status}"
        raise BrokenEncoderError(msg)
    full = msgspec.structs.replace(
        bare,
        sha256={name: file_sha256(work / name) for name in files},
        goldens=[
            Golden(text, [round(float(x), 7) for x in vector]) for text, vector in zip(goldens, vectors, strict=True)
        ],
    )
    (work / "manifest.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(msgspec.structs.replace(full, folder="")))
    )
    return full
