"""Settings from all their sources; a later one wins."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from streams.errors import ConfigurationError
from streams.settings.checking import check
from streams.settings.everything import ENV_PREFIX, Settings

__all__ = ["load_settings"]


def load_settings(
    path: str | Path | None = None,
    *,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read settings from all their sources.

    Parameters
    ----------
    path : str or Path, optional
        The TOML file. Default: `$USERPRISM_CONFIG`, else `userprism.toml` in the working directory if it exists.
    overrides : mapping, optional
        Nested values from the command line; they win over everything else.
    environ : mapping, optional
        Stands in for `os.environ`.

    Raises
    ------
    ConfigurationError
        A file that was asked for is missing or broken, a key is unknown, a value has the wrong type, or
        two settings contradict each other.
    """
    env = os.environ if environ is None else environ
    chosen = path or env.get(f"{ENV_PREFIX}CONFIG") or ("userprism.toml" if Path("userprism.toml").exists() else None)
    tree: dict[str, Any] = _first_apart(_read_file(Path(chosen))) if chosen else {}
    for name, text in env.items():
        if name.startswith(ENV_PREFIX) and name.removeprefix(ENV_PREFIX).split("__")[0].lower() in _TOP_LEVEL:
            _merge(tree, _nest(name.removeprefix(ENV_PREFIX).lower().split("__"), _parse_value(text)))
    _merge(tree, dict(overrides or {}))
    settings = _convert(_with_stack(tree, _convert(tree, chosen)), chosen)
    check(settings)
    return settings


_TOP_LEVEL = set(Settings.__struct_fields__)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        msg = f"the configuration file {path} doesn't exist; check --config or create it"
        raise ConfigurationError(msg) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid TOML: {error}"
        raise ConfigurationError(msg) from None


#: What a file sets in the first segmentation, for all.
_SHARED = ("interest_dim", "touches", "touch_half_life")


def _first_apart(tree: dict[str, Any]) -> dict[str, Any]:
    """Read `[[segmentation]]`, several tables of one name, as the first one and the others."""
    declared = tree.get("segmentation")
    if isinstance(declared, list) and all(isinstance(one, dict) for one in declared):
        shared = {name: declared[0][name] for name in _SHARED if name in declared[0]}
        others = [{**shared, **other} for other in declared[1:]]
        tree = {**tree, "segmentation": declared[0], "other_segmentations": others}
    return tree


def _convert(tree: dict[str, Any], source: str | Path | None) -> Settings:
    try:
        return msgspec.convert(tree, Settings)
    except msgspec.ValidationError as error:
        msg = f"{error} (settings from {source or 'defaults'} and {ENV_PREFIX}* variables)"
        raise ConfigurationError(msg) from None


def _with_stack(tree: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Fill in the embedded stack's addresses where nothing else gave any."""
    if (settings.kafka.bootstrap and settings.clickhouse.url) or not settings.stack_file.exists():
        return tree
    stack = msgspec.json.decode(settings.stack_file.read_bytes())
    if not settings.kafka.bootstrap:
        tree.setdefault("kafka", {}).update(stack.get("kafka", {}))
    if not settings.clickhouse.url:
        tree.setdefault("clickhouse", {}).update(stack.get("clickhouse", {}))
    return tree


def _merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def _nest(path: list[str], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text
