"""`userprism demo`: the simulated shop down the whole road, watched live, counted, and compared with the truth."""

from __future__ import annotations

from streams.demo.run import DemoSummary, run_demo

__all__ = ["DemoSummary", "run_demo"]
