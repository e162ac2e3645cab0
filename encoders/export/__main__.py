"""`python -m encoders.export`: install the default text encoder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from encoders.export.use import export_use
from encoders.manifest import default_models_dir

__all__ = ["main"]


def main() -> int:
    """Export, unless it is there already and intact."""
    parser = argparse.ArgumentParser(prog="python -m encoders.export", description=__doc__)
    parser.add_argument("--models-dir", type=Path, default=default_models_dir())
    parser.add_argument("--force", action="store_true", help="export again even if it is there")
    arguments = parser.parse_args()
    folder, made = export_use(arguments.models_dir, force=arguments.force)
    print(f"{'exported to' if made else 'already in'} {folder}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
