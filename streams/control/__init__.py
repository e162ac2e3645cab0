"""What the control plane does, one idea a module: agents on its topics, tables that survive it, timers.

A module of an agent has one function, ``attach(plane)``, that registers it with `plane.app`; `streams.roles.control`
lists them. `plane.py` says what an agent may rely on.
"""

from streams.control.plane import Plane, create_plane

__all__ = ["Plane", "create_plane"]
