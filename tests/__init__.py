"""Tests and benchmarks; folders mirror the packages."""
