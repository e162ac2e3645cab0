"""The program `userprism`: one module a group of commands, `program` for those that stand alone."""

from __future__ import annotations

from streams.cli.program import cli, main

__all__ = ["cli", "main"]
