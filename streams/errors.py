"""The errors of `streams`, all in one tree.

::

    UserprismError
    ├── Terminal               trying again changes nothing; a person has to act
    │   ├── ConfigurationError     a setting is missing, unknown or contradicts another
    │   ├── InputError             a file or an argument can't be used
    │   ├── AlreadyRunningError    another process holds what this one needs
    │   └── StateError             what is stored doesn't fit what is configured
    └── Transient              the same call may succeed later
        ├── UnavailableError       the broker or ClickHouse can't be reached
        └── LeaseLostError         another owner has taken this partition; discard memory and restore

A message names the offending value, where it was found, and what to do next.
"""

from __future__ import annotations

__all__ = [
    "AlreadyRunningError",
    "ConfigurationError",
    "InputError",
    "LeaseLostError",
    "StateError",
    "Terminal",
    "Transient",
    "UnavailableError",
    "UserprismError",
]


class UserprismError(Exception):
    """Anything userprism raises on purpose."""


class Terminal(UserprismError):  # noqa: N818 - a kind of error, as Transient is
    """Trying again changes nothing."""


class Transient(UserprismError):  # noqa: N818
    """The same call may succeed later."""


class ConfigurationError(Terminal):
    """A setting is missing, unknown or contradicts another."""


class InputError(Terminal):
    """A file or an argument can't be used."""


class AlreadyRunningError(Terminal):
    """Another process holds what this one needs."""


class StateError(Terminal):
    """What is stored doesn't fit what is configured."""


class UnavailableError(Transient):
    """The broker or ClickHouse can't be reached."""


class LeaseLostError(Transient):
    """Another owner has taken this partition."""
