"""`python -m streams.cli` is `userprism`."""

from __future__ import annotations

from streams.cli.program import main

if __name__ == "__main__":
    main()
