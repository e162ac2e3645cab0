"""People of an audience as a file, written piece by piece: nobody waits for all of them, nor keeps them in memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import msgspec
import pyarrow as pa
from pyarrow import parquet

from streams.web.read.people import PersonRow

__all__ = ["EXPORTS", "CsvExport", "Export", "ParquetExport"]

_SCHEMA = pa.schema([
    ("profile_id", pa.utf8()), ("segment", pa.int64()), ("event_count", pa.int64()),
    ("last_seen", pa.timestamp("us", "UTC")), ("traits", pa.map_(pa.utf8(), pa.utf8())),
])  # fmt: skip


class Export(Protocol):
    """Takes people in pieces and returns what can be sent of the file so far."""

    def add(self, people: Sequence[PersonRow]) -> bytes:
        """Return the bytes that these people add."""

    def end(self) -> bytes:
        """Return the rest of the file."""


class CsvExport:
    """CSV (RFC 4180) with a header; traits as JSON, times as ISO 8601."""

    def __init__(self) -> None:
        self._begun = False

    def add(self, people: Sequence[PersonRow]) -> bytes:
        """Return these people's lines."""
        text = io.StringIO()
        table = csv.writer(text)
        if not self._begun:
            table.writerow(_SCHEMA.names)
            self._begun = True
        table.writerows(self._line(one) for one in people)
        return text.getvalue().encode()

    def end(self) -> bytes:
        """Return nothing: a line ends the file as well as any."""
        return b""

    @staticmethod
    def _line(one: PersonRow) -> Iterator[object]:
        yield from (one.profile_id, one.segment, one.event_count, one.last_seen.isoformat())
        yield msgspec.json.encode(one.traits).decode()


class ParquetExport:
    """Parquet with a row group a piece; traits as a map, times in microseconds UTC."""

    def __init__(self) -> None:
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(self._sink, _SCHEMA, compression="zstd")

    def add(self, people: Sequence[PersonRow]) -> bytes:
        """Return these people's row group."""
        columns = [[getattr(one, name) for one in people] for name in _SCHEMA.names[:-1]]
        columns.append([list(one.traits.items()) for one in people])
        arrays = [pa.array(column, field.type) for column, field in zip(columns, _SCHEMA, strict=True)]
        self._writer.write_table(pa.table(arrays, schema=_SCHEMA))
        return self._sink.taken()

    def end(self) -> bytes:
        """Return the footer, which says where everything is."""
        self._writer.close()
        return self._sink.taken()


class _Sink(io.RawIOBase):
    """A file whose content is taken out while it is written; its position goes on, as the footer counts from 0."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def tell(self) -> int:
        return self._position

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


#: By the end of the file's name: its media type, and what writes it.
EXPORTS: dict[str, tuple[str, Callable[[], Export]]] = {
    "csv": ("text/csv", CsvExport),
    "parquet": ("application/vnd.apache.parquet", ParquetExport),
}
