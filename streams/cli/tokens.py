"""`userprism tokens`: who may use the API."""

from __future__ import annotations

import click

from streams.cli.options import Shared, pass_shared, shared
from streams.commands import api_tokens
from streams.embedded.signals import stop_on_signals
from streams.storage.tokens import SCOPES

__all__ = ["tokens"]


@click.group()
@shared
def tokens() -> None:
    """Tokens of the API: create, list, revoke."""


@tokens.command("create")
@shared
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, default=("read",), show_default=True, type=click.Choice(SCOPES))
@click.option("--days", default=90, show_default=True, type=click.IntRange(1, 3650), help="How long it is valid.")
@pass_shared
def create(options: Shared, name: str, scopes: tuple[str, ...], days: int) -> None:
    """Make a token and print it, once."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        made = api_tokens.create(settings, name, scopes, days)
    options.answer(
        made, f"{made['token']}\n\nKeep it: only its hash is stored. Send it as `Authorization: Bearer ...`."
    )


@tokens.command("list")
@shared
@pass_shared
def list_(options: Shared) -> None:
    """Show names, scopes and how long each is valid; never a token."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        found = api_tokens.listed(settings)
    options.answer({"tokens": found}, api_tokens.listed_text(found))


@tokens.command("revoke")
@shared
@click.argument("name")
@pass_shared
def revoke(options: Shared, name: str) -> None:
    """Refuse a token from now on."""
    with stop_on_signals() as stop, options.stack(stop, broker=False) as (settings, _):
        done = api_tokens.revoke(settings, name)
    options.answer(done, f"{name} is revoked; the API notices within {api_tokens.NOTICED_WITHIN_S} s")
