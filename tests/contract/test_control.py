"""Control records come back as they were, and what is none is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contract import ControlError, Erase, decode_control, encode_control
from streams.contract.control import CONTROL_HEADER


@given(st.text(), st.text(), st.booleans(), st.integers(0, 2**62))
def test_a_record_comes_back(erasure: str, profile_id: str, suppress: bool, at_us: int) -> None:
    record = Erase(erasure, profile_id, suppress, at_us)
    value, headers = encode_control(record)

    assert decode_control(value) == record
    assert headers == [(CONTROL_HEADER, b"erase")]


@given(st.binary(max_size=200))
def test_anything_else_is_refused(value: bytes) -> None:
    with pytest.raises(ControlError):
        decode_control(value)


@pytest.mark.parametrize(
    "value",
    [
        b'{"kind":"mesh","profile_id":"a"}',
        b'{"kind":"erase","erasure":"e","profile_id":"a","suppress":false}',
        b'{"kind":"erase","erasure":"e","profile_id":"a","suppress":false,"at_us":1,"more":1}',
    ],
)
def test_another_kind_or_half_a_record_is_refused(value: bytes) -> None:
    with pytest.raises(ControlError):
        decode_control(value)
