"""The errors of `encoders`.

::

    EncoderError
    ├── UnknownEncoderError     no encoder of that id is installed
    ├── BrokenEncoderError      files are missing, changed, or don't do what their manifest says
    └── EnvironmentBrokenError  the Python environment can't run encoders
"""

from __future__ import annotations

__all__ = ["BrokenEncoderError", "EncoderError", "EnvironmentBrokenError", "UnknownEncoderError"]


class EncoderError(Exception):
    """Anything `encoders` raises on purpose."""


class UnknownEncoderError(EncoderError):
    """No encoder of that id is installed."""


class BrokenEncoderError(EncoderError):
    """Files are missing, changed, or don't do what their manifest says."""


class EnvironmentBrokenError(EncoderError):
    """The Python environment can't run encoders."""
