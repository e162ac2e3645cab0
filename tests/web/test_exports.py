"""An export in pieces is the file that one piece would be."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from streams.web.decide import EXPORTS
from streams.web.read import PersonRow

people = st.lists(
    st.builds(
        PersonRow,
        st.text(max_size=8),
        st.integers(-2, 50),
        st.integers(0, 2**40),
        st.integers(0, 10**15).map(lambda us: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)),
        st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3),
    ),
    max_size=6,
)


def written(form: str, pieces: list[list[PersonRow]]) -> bytes:
    export = EXPORTS[form][1]()
    return b"".join([*(export.add(piece) for piece in pieces), export.end()])


@given(st.lists(people, min_size=1, max_size=4))
def test_parquet_in_pieces_says_of_each_person_what_is_known(pieces: list[list[PersonRow]]) -> None:
    table = parquet.read_table(io.BytesIO(written("parquet", pieces))).to_pylist()

    assert [PersonRow(**row | {"traits": dict(row["traits"])}) for row in table] == list(chain(*pieces))


@given(st.lists(people, min_size=1, max_size=4))
def test_csv_in_pieces_is_csv_in_one(pieces: list[list[PersonRow]]) -> None:
    assert written("csv", pieces) == written("csv", [list(chain(*pieces))])


@pytest.mark.parametrize("form", sorted(EXPORTS))
def test_what_was_sent_is_not_kept(form: str) -> None:
    person = PersonRow("ann", 1, 2, datetime(2026, 1, 1, tzinfo=UTC), {"country": "DE"})
    export = EXPORTS[form][1]()

    first, second = export.add([person] * 1_000), export.add([person] * 1_000)

    assert 0 < len(second) <= len(first)
