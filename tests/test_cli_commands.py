"""What a command is declared to take is what its function takes: a merge can part them unseen."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click
import pytest

from streams.cli import cli

SHARED = {"json", "embedded", "data_dir", "config"}


def commands(group: click.Group) -> Iterator[click.Command]:
    for command in group.commands.values():
        if isinstance(command, click.Group):
            yield from commands(command)
        else:
            yield command


@pytest.mark.parametrize("command", list(commands(cli)), ids=lambda command: str(command.name))
def test_every_option_reaches_its_command(command: click.Command) -> None:
    assert command.callback is not None
    taken = set(inspect.signature(inspect.unwrap(command.callback)).parameters) - {"options"}

    assert {parameter.name for parameter in command.params} == SHARED | taken
