"""Benchmarks: each module has `run(quick=False) -> dict`, prints a table and a JSON line, and compares in one run.

`userprism bench NAME` runs one; so does `python -m tests.bench.NAME`. No test depends on a timing.
"""
