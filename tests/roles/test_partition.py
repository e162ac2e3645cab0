"""How large a commit would be: people who came many times are one row."""

from __future__ import annotations

import pytest

from streams.roles import _partition
from streams.settings import IdentitySettings
from tests.identity.real import RealShell
from tests.identity.world import Event, Record


@pytest.mark.parametrize(("few", "counted"), [(100, 12), (5, 4)])
def test_people_who_come_again_are_counted_once_where_there_are_many(
    monkeypatch: pytest.MonkeyPatch, few: int, counted: int
) -> None:
    monkeypatch.setattr(_partition, "_FEW", few)
    shell = RealShell(0, 1, IdentitySettings())
    for block in range(3):
        events = tuple(Event(4 * block + person, f"u{person}", None) for person in range(4))
        shell.apply(block, Record(events=events))
    partition = shell._partition

    assert partition.dirty_rows == counted
    assert len(partition.prepare([0]).rows) == 4
