"""chdb, one statement at a time: a connection of its own for each, with its database, settings and parameters.

chdb is the ClickHouse engine in this process. It takes one data directory per process and any number of connections
to it, which run side by side (a connection costs .4 ms; the GIL is released while it works). A fresh connection per
statement means that no setting of one request can reach another, and that `readonly` can't be taken back.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.embedded.sql_text import Insert, forbidden_to_readers, output_format, split_insert

__all__ = ["Engine", "EngineError", "Reply", "Request"]

#: Before a request's own settings. HTTP clients of a server expect statements to be server statements (no implicit
#: SELECT); two cores are shared with everything else; an acknowledged insert is a written one.
_BASE_SETTINGS = {
    "implicit_select": "0",
    "allow_introspection_functions": "0",
    "async_insert": "0",
    "max_threads": "2",
    "max_insert_threads": "1",
}
#: A reader is a person (or a page) with a question.
_READER_SETTINGS = {"max_execution_time": "60", "max_result_bytes": "1000000000", "readonly": "1"}
#: Where a reader's unqualified names resolve when it names no database: chdb's own `default` shows the file system.
_READER_DATABASE = "system"

#: Inserts and merges are refused when less than this is left. On a disk without a byte left merges of this engine leave
#: parts of empty files in the place of those they merged, and report no error (docs/adr/0019).
_KEPT_FREE_BYTES = 64 << 20
_CONFIG = """<clickhouse><storage_configuration><disks><default>
<keep_free_space_bytes>{kept_free_bytes}</keep_free_space_bytes>
</default></disks></storage_configuration></clickhouse>
"""

#: Where an insert's rows lie while the engine reads them: memory where there is such a place.
_SPOOL = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - files there are made private by tempfile

#: Statements of readers that were looked at and found harmless (their parameters are no part of them): a page asks the
#: same again and again, and to look costs as much as a small answer.
_MOST_ALLOWED, _LONGEST_ALLOWED_BYTES = 500, 20_000

_ERROR = re.compile(r"Code: (\d+)\.")
_ACCESS_DENIED = 497
_SYNTAX_ERROR = 62


class EngineError(Exception):
    """The engine refused or failed; `code` is ClickHouse's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """One statement: `text` is all of it, `body` what was posted behind it (rows of an INSERT, or more text)."""

    text: bytes
    body: bytes = b""
    database: str = ""
    default_format: str = "TabSeparated"
    settings: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    reader: bool = False


@dataclass(slots=True)
class Reply:
    """What came back. `payload` views memory of `owner`, which must stay alive until it is sent."""

    payload: memoryview | bytes = b""
    format: str | None = None
    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    elapsed_s: float = 0.0
    owner: Any = None


class Engine:
    """The engine over one data directory; at most one per process.

    Parameters
    ----------
    data_dir : Path
        Databases live here.
    memory_bytes : int
        Cap of everything the engine holds; a query that would exceed it fails.
    """

    def __init__(self, data_dir: Path, memory_bytes: int) -> None:
        from chdb import _chdb  # noqa: PLC0415 - 700 ms and 200 MB; only the ClickHouse process pays

        self._connect: Callable[[str], Any] = _chdb.connect  # type: ignore[attr-defined]  # its stub leaves it out
        self._path = str(data_dir)
        caches = "mark_cache_size=100000000&primary_index_cache_size=100000000&query_condition_cache_size=10000000"
        config = data_dir / "config.xml"
        config.write_text(_CONFIG.format(kept_free_bytes=_KEPT_FREE_BYTES))
        # Kept open: the engine goes away with its last connection.
        self._root = self._connect(f"{self._path}?config-file={config}&max_server_memory_usage={memory_bytes}&{caches}")
        self.version = self._ask("SELECT version()")
        self._table_functions = frozenset(self._ask("SELECT lower(name) FROM system.table_functions").split())
        self._functions = frozenset(self._ask("SELECT lower(name) FROM system.functions").split())
        self._allowed: set[bytes] = set()

    def run(self, request: Request) -> Reply:
        """Run one statement to its end.

        Raises
        ------
        EngineError
            With ClickHouse's code and message.
        """
        connection = self._connect(self._path)
        try:
            self._prepare(connection, request)
            insert = split_insert(request.text if request.text else request.body)
            if insert is not None:
                return self._insert(connection, insert, request)
            return self._query(connection, request)
        except RuntimeError as error:
            raise _engine_error(error) from error
        finally:
            connection.close()

    def close(self) -> None:
        """Let the engine end. Nothing else may be running."""
        self._root.close()

    def _prepare(self, connection: Any, request: Request) -> None:
        database = request.database
        if request.reader and database in {"", "default"}:
            database = _READER_DATABASE
        if database:
            connection.query(f"USE {_quote_name(database)}")
        first = dict(_BASE_SETTINGS)
        first |= {f"param_{name}": value for name, value in request.parameters.items()}
        if request.reader:
            first |= _READER_SETTINGS
        connection.query(_set_statement(first.items()))
        if request.settings:  # after `readonly`, which refuses them
            connection.query(_set_statement(request.settings.items()))

    def _insert(self, connection: Any, insert: Insert, request: Request) -> Reply:
        if request.reader:
            raise EngineError(_ACCESS_DENIED, _denied("INSERT"))
        text, body = memoryview(request.text), memoryview(request.body)
        rows = (text[insert.data_start :], body) if text else (body[insert.data_start :],)
        # Not through chdb's streaming insert: it says nothing when a constraint refuses the block (seen with code 469).
        with tempfile.NamedTemporaryFile(dir=_SPOOL, prefix="userprism-insert-") as spool:
            spool.writelines(rows)
            spool.flush()
            source = f" FROM INFILE '{spool.name}' COMPRESSION 'none' FORMAT {insert.format}"
            result = connection.query(insert.statement + source)
        return Reply(
            written_rows=result.rows_written(), written_bytes=result.bytes_written(), elapsed_s=result.elapsed()
        )

    def _query(self, connection: Any, request: Request) -> Reply:
        text = request.text + b"\n" + request.body if request.text and request.body else request.text or request.body
        kind = connection.classify_query(text.decode("utf-8", "surrogateescape")) if not _is_insert(text) else None
        if kind is not None and kind["statement_count"] > 1:
            msg = f"Code: {_SYNTAX_ERROR}. DB::Exception: Multi-statements are not allowed. (SYNTAX_ERROR)"
            raise EngineError(_SYNTAX_ERROR, msg)
        reading = kind is not None and kind["query_class"].name == "READ_ONLY"
        if request.reader:
            self._check_reader(connection, text, reading=reading)
        result = connection.query(text, request.default_format)
        return Reply(
            payload=result.get_memview().view() if result.size() else b"",
            format=output_format(text, request.default_format) if reading else None,
            read_rows=result.storage_rows_read(),
            read_bytes=result.storage_bytes_read(),
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
            elapsed_s=result.elapsed(),
            owner=result,
        )

    def _check_reader(self, connection: Any, text: bytes, *, reading: bool) -> None:
        if not reading:
            raise EngineError(_ACCESS_DENIED, _denied("anything but one reading statement"))
        if text in self._allowed:
            return
        literal = text.replace(b"\\", b"\\\\").replace(b"'", b"\\'")
        formatted = connection.query(b"SELECT formatQuerySingleLine('" + literal + b"')", "TSVRaw").bytes()
        words = forbidden_to_readers(formatted.decode("utf-8", "replace"), self._table_functions, self._functions)
        if words is not None:
            raise EngineError(_ACCESS_DENIED, _denied(words))
        if len(text) <= _LONGEST_ALLOWED_BYTES:
            if len(self._allowed) >= _MOST_ALLOWED:
                self._allowed.clear()
            self._allowed.add(text)

    def _ask(self, sql: str) -> str:
        return str(self._root.query(sql, "TSVRaw").bytes().decode().strip())


def _is_insert(text: bytes) -> bool:
    return text[:200].lstrip()[:6].lower() == b"insert"


def _set_statement(settings: Iterable[tuple[str, str]]) -> bytes:
    parts = (name.encode() + b" = " + _quote(value) for name, value in _checked(settings))
    return b"SET " + b", ".join(parts)


def _checked(settings: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for name, value in settings:
        if not re.fullmatch(r"\w+(\.\w+)*", name, re.ASCII):
            msg = f"Code: 115. DB::Exception: Unknown setting '{name}'. (UNKNOWN_SETTING)"
            raise EngineError(115, msg)
        yield name, value


def _quote(value: str) -> bytes:
    return b"'" + value.encode("utf-8", "surrogateescape").replace(b"\\", b"\\\\").replace(b"'", b"\\'") + b"'"


def _quote_name(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _denied(words: str) -> str:
    return f"Code: {_ACCESS_DENIED}. DB::Exception: reader: {words} is not allowed to the reading user. (ACCESS_DENIED)"


def _engine_error(error: RuntimeError) -> EngineError:
    message = str(error)
    codes = _ERROR.findall(message)
    return EngineError(int(codes[0]) if codes else 1001, message)
