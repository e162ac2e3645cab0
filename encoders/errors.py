"""The errors of `encoders`.

::

    EncoderError
    ├── UnknownEncoderError     no encoder of that id is installed
    ├── BrokenEncoderError      files are missing, changed, or don't do what their manifest says
    ├── EnvironmentBrokenError  the Python environment can't run encoders
    └── NoVectorError           one piece of content has no vector; callers see its reason, never the error
"""

from __future__ import annotations

__all__ = ["BrokenEncoderError", "EncoderError", "EnvironmentBrokenError", "NoVectorError", "UnknownEncoderError"]


class EncoderError(Exception):
    """Anything `encoders` raises on purpose."""


class UnknownEncoderError(EncoderError):
    """No encoder of that id is installed."""


class BrokenEncoderError(EncoderError):
    """Files are missing, changed, or don't do what their manifest says."""


class EnvironmentBrokenError(EncoderError):
    """The Python environment can't run encoders."""


class NoVectorError(EncoderError):
    """One piece of content has no vector.

    Parameters
    ----------
    reason : str
        A key of `encoders.contract.REASONS`.
    detail : str
        What exactly, for a log.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
