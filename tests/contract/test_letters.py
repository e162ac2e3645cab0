"""Sixteen letters at a time give what one at a time gives, wherever a text lies in its buffer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contract.json_text import is_utf8, text_end
from streams.contract.letters import WIDTH, ascii_run, plain_run, same_run
from streams.kernel import kernel

SOME = st.binary(max_size=24).map(lambda data: data + b"a" * WIDTH) | st.binary(min_size=WIDTH, max_size=80)
TEXTS = st.text(st.sampled_from('ab"\\\x1f\x00 \x7fé磨😀'), max_size=60).map(str.encode) | st.binary(max_size=60)


@kernel
def _runs(letters: np.ndarray, at: int, others: np.ndarray, place: int) -> tuple[int, int, int]:
    return plain_run(letters, at), ascii_run(letters, at), same_run(letters, at, others, place)


def _first(letters: bytes, stops: Callable[[int, int], bool]) -> int:
    return next((i for i, letter in enumerate(letters[:WIDTH]) if stops(i, letter)), WIDTH)


def _array(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8)


@given(SOME, st.data())
def test_a_run_ends_at_the_first_letter_that_stops_it(data: bytes, draw: st.DataObject) -> None:
    at, place = (draw.draw(st.integers(0, len(data) - WIDTH)) for _ in range(2))
    here, there = data[at:], data[place:]
    plain, ascii_, same = _runs(_array(data), at, _array(data), place)
    assert plain == _first(here, lambda _, letter: letter < 32 or letter in b'"\\')
    assert ascii_ == _first(here, lambda _, letter: letter > 127)
    assert same == _first(here, lambda i, letter: letter != there[i])


@given(st.binary(max_size=20), TEXTS, st.binary(max_size=40))
def test_utf8_is_what_python_takes_wherever_it_lies(before: bytes, text: bytes, behind: bytes) -> None:
    try:
        text.decode()
        right = True
    except UnicodeDecodeError:
        right = False
    letters = _array(before + text + behind)
    assert is_utf8(letters, len(before), len(before) + len(text)) == right


@given(st.binary(max_size=20), TEXTS, st.binary(max_size=40))
def test_a_text_ends_at_its_own_quote_and_not_at_the_next_values(before: bytes, text: bytes, behind: bytes) -> None:
    letters, begin, end = _array(before + text + behind), len(before), len(before) + len(text)
    at = begin
    while at < end and letters[at] >= 32 and letters[at] not in b'"\\':
        at += 1
    found, escaped = text_end(letters, begin, end)
    if at == end or letters[at] < 32:
        assert (found, escaped) == (-1, False)
    elif letters[at] == ord('"'):
        assert (found, escaped) == (at, False)
    else:
        assert escaped


@pytest.mark.parametrize("text", ["a" * n for n in range(40)])
def test_a_text_of_any_length_ends(text: str) -> None:
    for behind in (b"", b'"' * 40, b"a" * 40):
        letters = _array(text.encode() + b'"' + behind)
        assert text_end(letters, 0, len(text) + 1) == (len(text), False)
        assert text_end(letters, 0, len(text)) == (-1, False)
