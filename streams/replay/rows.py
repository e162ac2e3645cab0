"""Rows of files as events, in order, the same bytes each time."""

from __future__ import annotations

import csv
import hashlib
import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from streams.errors import InputError
from streams.replay.mapping import Join, Mapping

__all__ = ["check_file", "file_hash", "read_events"]

_CHUNK = 20_000
_SUFFIXES = {".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "ndjson", ".csv": "csv", ".tsv": "tsv",
             ".parquet": "parquet",
             ".inter": "tsv", ".item": "tsv", ".user": "tsv"}  # fmt: skip

Event = tuple[bytes | None, bytes]
Row = dict[str, Any]


class _Ids(msgspec.Struct, rename="camel"):
    user_id: str | int | None = None
    anonymous_id: str | int | None = None
    message_id: Any = None


def file_hash(path: Path) -> str:
    """Return a file's sha256."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def check_file(path: Path) -> None:
    """Refuse what can't be replayed.

    Raises
    ------
    InputError
        Not a file, or empty.
    """
    if not path.is_file():
        msg = f"{path} is not a file"
        raise InputError(msg)
    if path.stat().st_size == 0:
        msg = f"{path} is empty; nothing was sent"
        raise InputError(msg)


def read_events(path: Path, mapping: Mapping) -> Iterator[list[Event]]:
    """Yield (key, value) of each row, in chunks.

    Rows without a messageId get ``uuid5(hash of the file, number of the row)``, so sending them again repeats ids.

    Raises
    ------
    InputError
        The file can't be read as the mapping says; the message names file, row and column.
    """
    check_file(path)
    kind = mapping.format or _SUFFIXES.get(path.suffix.lower(), "")
    if kind not in {"ndjson", "csv", "tsv", "parquet"}:
        known = 'format = "ndjson", "csv", "tsv" or "parquet"'
        msg = f"{path}: unknown format {kind or path.suffix!r}; say {known} in the mapping"
        raise InputError(msg)
    space = uuid.uuid5(uuid.NAMESPACE_OID, file_hash(path))
    events = _as_they_are(path, space) if mapping.as_is else _mapped(path, mapping, kind, space)
    chunk: list[Event] = []
    for event in events:
        chunk.append(event)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _as_they_are(path: Path, space: uuid.UUID) -> Iterator[Event]:
    """Send every line; what is no event becomes a dead letter with its reason, a truncated last line included."""
    with path.open("rb") as source:
        for number, line in enumerate(source):
            value = line.rstrip(b"\r\n")
            if not value.strip():
                continue
            try:
                ids = msgspec.json.decode(value, type=_Ids)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                yield None, value
                continue
            named = ids.user_id is not None or ids.anonymous_id is not None
            if named and not ids.message_id and value.rstrip().endswith(b"}"):
                own = json.dumps(str(uuid.uuid5(space, str(number))))
                value = value.rstrip()[:-1] + (f',"messageId":{own}}}').encode()
            key = ids.user_id or ids.anonymous_id
            yield (str(key).encode("utf-8", "replace") if key is not None else None), value


def _mapped(path: Path, mapping: Mapping, kind: str, space: uuid.UUID) -> Iterator[Event]:
    joined = [(join, _lookup(path, join)) for join in mapping.join]
    named = set(mapping.columns())
    for number, row in enumerate(_rows(path, kind, mapping.columns())):
        properties = _picked(row, mapping.properties, mapping.split)
        traits = _picked(row, mapping.traits, mapping.split)
        for join, rows in joined:
            other = rows.get(str(row[join.key]))
            if other is not None:
                properties |= _picked(other, join.properties, join.split)
                traits |= _picked(other, join.traits, join.split)
        if mapping.rest:
            traits |= {name: value for name, value in row.items() if name not in named and value not in {None, ""}}
        ids = {"userId": mapping.user_id, "anonymousId": mapping.anonymous_id}
        event: Row = {
            "type": mapping.type,
            **({"event": mapping.event} if mapping.event else {}),
            **({"channel": mapping.channel} if mapping.channel else {}),
            **{name: str(row[column]) for name, column in ids.items() if column and row[column] not in {None, ""}},
            "messageId": str(row[mapping.message_id]) if mapping.message_id else str(uuid.uuid5(space, str(number))),
        }
        if mapping.timestamp:
            event["timestamp"] = _stamp(row[mapping.timestamp])
        event["properties"] = properties
        if traits:
            event["context"] = {"traits": traits}
        key = event.get("userId") or event.get("anonymousId") or ""
        yield key.encode() or None, json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def _rows(path: Path, kind: str, wanted: list[str]) -> Iterator[Row]:
    if kind == "parquet":
        table = pq.ParquetFile(path)
        _check_columns(path, wanted, table.schema_arrow.names)
        for batch in table.iter_batches():
            yield from batch.to_pylist()
        return
    try:
        with path.open(encoding="utf-8", newline="") as source:
            if kind == "ndjson":
                yield from _json_rows(path, source, wanted)
                return
            quoting = {"quoting": csv.QUOTE_NONE} if kind == "tsv" else {}
            reader = csv.reader(source, delimiter="\t" if kind == "tsv" else ",", **quoting)  # type: ignore[arg-type]
            names = [name.split(":")[0] for name in next(reader)]
            _check_columns(path, wanted, names)
            for number, cells in enumerate(reader, 2):
                if len(cells) != len(names):
                    msg = (
                        f"{path} line {number}: {len(cells)} columns, the header has {len(names)}; "
                        "is it cut off? Mend it and run the command again"
                    )
                    raise InputError(msg)
                yield dict(zip(names, cells, strict=True))
    except UnicodeDecodeError as error:
        at = error.start
        msg = f"{path} is not UTF-8 (byte {at}: {error.object[at : at + 4]!r}); convert it first"
        raise InputError(msg) from error


def _json_rows(path: Path, source: Any, wanted: list[str]) -> Iterator[Row]:
    for number, line in enumerate(source, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            msg = f"{path} line {number} is no JSON ({error}); is it cut off? Mend it and run the command again"
            raise InputError(msg) from error
        _check_columns(path, wanted, list(row))
        yield row


def _check_columns(path: Path, wanted: list[str], present: list[str]) -> None:
    for name in wanted:
        if name not in present:
            msg = f"{path} has no column {name!r}, which the mapping names; its columns are {', '.join(present)}"
            raise InputError(msg)


def _lookup(path: Path, join: Join) -> dict[str, Row]:
    other = path.with_name(join.file) if join.file else path.with_suffix(join.suffix)
    check_file(other)
    wanted = [join.key, *join.properties.values(), *join.traits.values()]
    kind = _SUFFIXES.get(other.suffix.lower(), "tsv")
    return {str(row[join.key]): row for row in _rows(other, kind, wanted)}


def _picked(row: Row, fields: dict[str, str], split: dict[str, str]) -> Row:
    found: Row = {}
    for field, column in fields.items():
        value = row[column]
        if value is None or value == "":
            continue
        found[field] = [part for part in str(value).split(split[field]) if part] if field in split else value
    return found


def _stamp(value: object) -> str | int | float:
    """Return a time as the contract reads it: epoch numbers become ISO 8601."""
    try:
        number = float(str(value))
    except ValueError:
        return value.isoformat() if isinstance(value, datetime) else str(value)
    if number < 1e11:
        return datetime.fromtimestamp(number, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
    return number
