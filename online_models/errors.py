"""The errors of `online_models`, all in one tree.

::

    OnlineModelError
    ├── ShapeError (ValueError)        an array has the wrong number of dimensions, columns or rows
    ├── NotFiniteError (ValueError)    a value is NaN, infinite or too large to square; the model is unchanged
    ├── SnapshotError (ValueError)     bytes that aren't a snapshot this release can read
    └── UnsuitableModelError (ValueError)  a model of River's that can't be used here, and why

All of them are terminal: the same call fails again.
"""

from __future__ import annotations

__all__ = ["NotFiniteError", "OnlineModelError", "ShapeError", "SnapshotError", "UnsuitableModelError"]


class OnlineModelError(Exception):
    """Anything `online_models` raises on purpose."""


class ShapeError(OnlineModelError, ValueError):
    """An array has the wrong number of dimensions, columns or rows."""


class NotFiniteError(OnlineModelError, ValueError):
    """A value is NaN, infinite or too large to square; nothing was learned."""


class SnapshotError(OnlineModelError, ValueError):
    """Bytes that aren't a snapshot this release can read."""


class UnsuitableModelError(OnlineModelError, ValueError):
    """A model of River's that can't be used here; the message says why."""
