"""What every command shares: where settings come from, a stack around it, and how it answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console

from streams.embedded.supervisor import Supervisor
from streams.errors import AlreadyRunningError
from streams.settings import Settings, load_settings

__all__ = ["F", "Shared", "err", "pass_shared", "shared"]

F = TypeVar("F", bound=Callable[..., Any])
err = Console(stderr=True, highlight=False)


class Shared:
    """What every command knows: where settings come from, and how to answer."""

    def __init__(self) -> None:
        self.config: str | None = None
        self.data_dir: str | None = None
        self.embedded = False
        self.json = False

    def settings(self, **overrides: Any) -> Settings:
        """Load the settings."""
        if self.data_dir:
            overrides = {"data_dir": self.data_dir, **overrides}
        return load_settings(self.config, overrides=overrides)

    def role_args(self, data_dir: Path) -> list[str]:
        """Return the options that a child of ours needs."""
        return ["--data-dir", str(data_dir), *(["--config", str(Path(self.config).absolute())] if self.config else [])]

    @contextmanager
    def stack(
        self, stop: threading.Event, *, broker: bool = True, roles: bool = False
    ) -> Iterator[tuple[Settings, Supervisor | None]]:
        """Give settings whose broker and ClickHouse answer: those configured, or with `--embedded` our own."""
        settings = self.settings()
        if not self.embedded:
            yield settings, None
            return
        try:
            with Supervisor(settings, role_args=self.role_args(settings.data), broker=broker, stop=stop) as stack:
                if roles:
                    stack.start_roles()
                    stack.wait_ready()
                yield stack.settings, stack
        except AlreadyRunningError:
            if not settings.stack_file.exists():
                raise
            yield self.settings(), None  # it is up already: use it

    def answer(self, fields: Any, text: str) -> None:
        """Print the result: one JSON object, or text for people."""
        click.echo(msgspec.json.encode(fields).decode() if self.json else text)


def shared(command: F) -> F:
    """Add the options that work on every command, before or after its name."""

    def keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
        def callback(context: click.Context, _parameter: click.Parameter, value: Any) -> None:
            if value:
                setattr(context.ensure_object(Shared), name, value)

        return callback

    for option in (
        click.option(
            "--config", type=click.Path(), expose_value=False, callback=keep("config"), help="userprism.toml to read."
        ),
        click.option(
            "--data-dir", type=click.Path(), expose_value=False, callback=keep("data_dir"), help="Default: .userprism"
        ),
        click.option(
            "--embedded",
            is_flag=True,
            expose_value=False,
            callback=keep("embedded"),
            help="Start the embedded stack around it.",
        ),
        click.option(
            "--json", is_flag=True, expose_value=False, callback=keep("json"), help="One JSON object as the last line."
        ),
    ):
        command = option(command)
    return command


pass_shared = click.make_pass_decorator(Shared, ensure=True)
