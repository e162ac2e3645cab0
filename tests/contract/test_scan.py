"""The look at raw bytes suspects everything that the fast decoder must not accept."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contract.scan import needs_a_closer_look


def suspicious(value: bytes, *, most_bytes: int = 6_000, most_depth: int = 32) -> bool:
    neighbour = b'{"type":"track"}'
    before, found, after = needs_a_closer_look([neighbour, value, neighbour], most_bytes, most_depth).tolist()
    assert not before
    assert not after
    return bool(found)


def is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@given(
    st.one_of(
        st.binary(max_size=12),
        st.text(max_size=6).map(str.encode),
        # Bytes next to the borders of table 3-7 of the Unicode standard.
        st.lists(st.sampled_from(bytes.fromhex("41 80 8f 90 9f a0 bf c1 c2 df e0 ed ef f0 f4 f5")), max_size=6).map(bytes),
    )
)
def test_what_is_not_utf8_is_suspicious(value: bytes) -> None:
    if not is_utf8(value):
        assert suspicious(value)
    elif value.count(b"{") + value.count(b"[") == 0 and not any(48 <= letter <= 57 for letter in value):
        assert not suspicious(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"a":1e999}', True),
        (b'{"a":1E+400}', True),
        (b'{"a":1e-999}', False),
        (b'{"a":1e99}', False),
        (b'{"a":' + b"9" * 400 + b"}", True),
        (b'{"id":"2e123456"}', False),
        (rb'{"id":"quoted \" 2e1234"}', False),
        (rb'{"id":"ends with \\","a":2e1234}', True),
        (b'{"a":"' + b"[" * 100 + b'"}', False),
        (b"[" * 33 + b"]" * 33, True),
        (b"[" * 32 + b"]" * 32, False),
        (b'{"a":"' + b"x" * 6_000 + b'"}', True),
        (b"", False),
    ],
)
def test_limits(value: bytes, *, expected: bool) -> None:
    assert suspicious(value) is expected


@given(st.recursive(st.floats(allow_nan=False) | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_no_number_that_json_can_hold_but_a_double_cannot_goes_unseen(tree: object) -> None:
    text = json.dumps(tree).replace("Infinity", "1e400").encode()
    holds_infinity = b"1e400" in text.replace(b'"1e400"', b"")

    if holds_infinity and '"' not in text.decode():
        assert suspicious(text)
