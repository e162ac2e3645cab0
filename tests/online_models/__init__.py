"""Tests of `online_models`."""
