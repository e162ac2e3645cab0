"""A mapping: which columns of a file become which fields of an event."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec

from streams.errors import InputError

__all__ = ["Join", "Mapping", "load_mapping"]


class Join(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Another file whose columns are added to each row.

    Attributes
    ----------
    file, suffix : str
        Its name, or what replaces the suffix of the main file; relative to the main file.
    key : str
        A column of both.
    """

    key: str
    file: str = ""
    suffix: str = ""
    properties: dict[str, str] = {}
    traits: dict[str, str] = {}
    split: dict[str, str] = {}


class Mapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a mapping file says; right-hand sides are column names.

    Attributes
    ----------
    format : str
        ``ndjson``, ``csv``, ``tsv`` or ``parquet``; empty: by the file's suffix.
    user_id, anonymous_id : str
        Whose the row is; a row in which one of them is empty goes without it. A mapping that names neither sends the
        lines of an ``ndjson`` file as they are.
    channel : str
        Where such rows come from, in your words: not a column.
    rest : str
        ``traits``: every column that isn't named otherwise is a trait of that name.
    """

    format: str = ""
    type: str = "track"
    event: str = ""
    user_id: str = ""
    anonymous_id: str = ""
    channel: str = ""
    rest: Literal["", "traits"] = ""
    timestamp: str = ""
    message_id: str = ""
    properties: dict[str, str] = {}
    traits: dict[str, str] = {}
    split: dict[str, str] = {}
    join: list[Join] = []

    @property
    def as_is(self) -> bool:
        """Whether lines are events already."""
        return not (self.user_id or self.anonymous_id)

    def columns(self) -> list[str]:
        """Return the columns that the main file must have."""
        named = [
            self.user_id,
            self.anonymous_id,
            self.timestamp,
            self.message_id,
            *self.properties.values(),
            *self.traits.values(),
        ]
        return [name for name in [*named, *(join.key for join in self.join)] if name]


def load_mapping(name: str) -> Mapping:
    """Read a built-in mapping or a TOML file.

    Raises
    ------
    InputError
        There is none of that name, or the file isn't a mapping.
    """
    folder = resources.files("streams.replay") / "mappings"
    built_in = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    if name in built_in:
        text = (folder / f"{name}.toml").read_text(encoding="utf-8")
    elif name.endswith(".toml") and Path(name).is_file():
        text = Path(name).read_text(encoding="utf-8")
    else:
        msg = f"no mapping {name!r}; built in are {', '.join(built_in)}, or give the path of a .toml file"
        raise InputError(msg)
    try:
        tree: dict[str, Any] = tomllib.loads(text)
        return msgspec.convert(tree, Mapping)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        msg = f"mapping {name}: {error}"
        raise InputError(msg) from error
