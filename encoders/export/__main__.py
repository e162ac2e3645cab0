"""`python -m encoders.export`: install an encoder; the default text encoder when nothing else is said.

The same as `userprism encoders export`, for an environment that isn't whole yet.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from encoders.errors import EncoderError
from encoders.export.choose import PACKAGED, export_checkpoint_folder, export_packaged
from encoders.manifest import default_models_dir

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Export, unless it is there already and intact."""
    parser = argparse.ArgumentParser(prog="python -m encoders.export", description=__doc__)
    parser.add_argument("what", nargs="?", default="text", choices=PACKAGED, help="default: text")
    parser.add_argument("--models-dir", type=Path, default=default_models_dir())
    parser.add_argument("--force", action="store_true", help="export again even if it is there")
    parser.add_argument("--from", dest="source", type=Path, help="folder of a Hugging Face checkpoint to install")
    parser.add_argument("--id", default="", help="what the checkpoint will be called; default: the folder's name")
    parser.add_argument("--pooling", choices=["mean", "cls", "last"], help="of a text checkpoint")
    parser.add_argument("--random", action="store_true", help="note that its weights are random")
    given = parser.parse_args(argv)
    try:
        if given.source:
            made = True
            folder = export_checkpoint_folder(
                given.source, given.models_dir,
                encoder_id=given.id, pooling=given.pooling or "", random=given.random,
            )  # fmt: skip
        else:
            folder, made = export_packaged(given.what, given.models_dir, force=given.force)
    except EncoderError as error:
        print(f"encoders.export: {error}", file=sys.stderr)
        return 1
    print(f"{'exported to' if made else 'already in'} {folder}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
