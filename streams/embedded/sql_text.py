"""What has to be known about a statement's text: where an INSERT's data starts, and what readers may not say.

A tokenizer, not a parser: it only has to tell words from strings, quoted names and comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Insert", "forbidden_to_readers", "output_format", "split_insert"]

_TOKEN = re.compile(
    rb"""(?P<blank>\s+|--[^\n]*|\#[\ !][^\n]*|/\*.*?\*/)
    |(?P<string>'(?:[^'\\]|\\.|'')*')
    |(?P<quoted>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*")
    |(?P<heredoc>\$(\w*)\$.*?\$\5\$)
    |(?P<word>[A-Za-z_]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)

#: Table functions that touch nothing outside the database; every other one is refused to readers.
_HARMLESS_TABLE_FUNCTIONS = frozenset({
    "generate_series", "generateseries", "null", "numbers", "numbers_mt", "primes", "sqlstandardvalues", "values",
    "view", "viewexplain", "zeros", "zeros_mt",
})  # fmt: skip
#: Ordinary functions that read files, load models or call out: `readonly=1` lets them through.
_HARMFUL_FUNCTIONS = frozenset({
    "catboostevaluate", "evalmlmethod", "file", "filesystemavailable", "filesystemcapacity", "filesystemunreserved",
})  # fmt: skip


class _Token(NamedTuple):
    kind: str
    text: bytes
    start: int
    end: int

    @property
    def word(self) -> str:
        """A bare word in lower case, else empty."""
        return self.text.decode().lower() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """A bare word, or a quoted name without its quotes, in lower case; empty for anything else."""
        return self.text[1:-1].decode("utf-8", "replace").lower() if self.kind == "quoted" else self.word


_NOTHING = _Token("other", b"", 0, 0)


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT whose rows follow as formatted bytes: `statement` ends before FORMAT, data starts at `data_start`."""

    statement: str
    format: str
    data_start: int


def _tokens(text: bytes) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        if match.lastgroup and match.lastgroup != "blank":
            yield _Token(match.lastgroup, match.group(), match.start(), match.end())


def split_insert(text: bytes) -> Insert | None:
    """Find where an INSERT's data starts.

    Parameters
    ----------
    text : bytes
        The statement, with or without the data behind it. Reading stops at the data.

    Returns
    -------
    Insert or None
        None for any other statement, for INSERT ... SELECT, and for VALUES written into the statement.
    """
    depth = 0
    previous = _NOTHING
    for token in _tokens(text):
        if previous is _NOTHING and token.word != "insert":
            return None
        if depth == 0:
            if token.word in {"select", "with", "values"}:
                return None
            if previous.word == "format" and token.word:
                statement = text[: previous.start].decode("utf-8", "replace")
                return Insert(statement, token.text.decode(), _data_start(text, token.end))
        depth += {b"(": 1, b")": -1}.get(token.text, 0)
        previous = token
    return None


def _data_start(text: bytes, after_format: int) -> int:
    """Skip blanks up to and including one line end, as the server's parser does."""
    match = re.compile(rb"[ \t\f]*;?[ \t\f]*\r?\n?").match(text, after_format)
    return match.end() if match else after_format


def output_format(text: bytes, default: str) -> str:
    """Return the format that the statement's own FORMAT clause names, else `default`."""
    found = default
    previous = _NOTHING
    for token in _tokens(text):
        if previous.word == "format" and token.word:
            found = token.text.decode()
        previous = token
    return found


def forbidden_to_readers(formatted: str, table_functions: frozenset[str], functions: frozenset[str]) -> str | None:
    """Say why a reader may not run a statement.

    Parameters
    ----------
    formatted : str
        What `formatQuerySingleLine` printed: one statement, comments gone.
    table_functions, functions : frozenset of str
        Every table function and every ordinary function of the engine, lower case.

    Returns
    -------
    str or None
        The offending words; None when there are none.

    Notes
    -----
    `readonly=1` of the engine refuses writes, settings and table functions that read outside, but not the scalar
    `file()`. A function can be named without a call (``arrayMap(file, paths)``, ``* APPLY(file)``), so those names are
    refused as any identifier. Besides, chdb's database ``default`` shows any file of the machine as a table.
    """
    harmful = _HARMFUL_FUNCTIONS | {name for name in functions if name.startswith("ai")}
    outside = table_functions - _HARMLESS_TABLE_FUNCTIONS
    tokens = [_NOTHING, *_tokens(formatted.encode()), _NOTHING]
    for before, token, after in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if token.name in harmful or (token.name in outside and after.text == b"("):
            return f"{token.text.decode()}()"
        if token.name == "default" and after.text == b".":
            return "default."
        if token.word == "outfile" and before.word == "into":
            return "INTO OUTFILE"
        if token.word == "identifier" and before.text == b":":
            return "a parameter of type Identifier"
    return None
