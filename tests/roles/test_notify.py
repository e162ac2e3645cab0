"""Notifications are written as columns; each is the JSON that one record at a time would be."""

from __future__ import annotations

import msgspec
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from streams.roles._notify import _records
from streams.storage.last_commit import CHANGES

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
NUMBERS = st.integers(-3, 2**40)


@given(st.lists(st.tuples(TEXTS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, TEXTS)))
def test_a_record_is_the_json_of_its_change(rows: list[tuple[str, int, int, int, int, int, str]]) -> None:
    wanted = [
        {
            "id": f"{person}:{abs(version)}:{name}", "profile_id": person, "from_segment": old, "to_segment": new,
            "model_version": abs(model), "at_us": at_us, "segmentation": name,
        }
        for person, version, old, new, model, at_us, name in rows
    ]  # fmt: skip
    columns = [
        [person for person, *_ in rows], [abs(row[1]) for row in rows], [row[2] for row in rows],
        [row[3] for row in rows], [abs(row[4]) for row in rows], [row[5] for row in rows], [row[6] for row in rows],
    ]  # fmt: skip
    changes = pa.table([pa.array(column, field.type) for column, field in zip(columns, CHANGES, strict=True)], CHANGES)
    assert [msgspec.json.decode(record) for record in _records(changes).to_pylist()] == wanted
