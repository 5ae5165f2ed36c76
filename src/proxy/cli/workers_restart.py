"""`penstock workers restart`: puts new processes in the place of those that serve, without losing a request."""

from typing import Any

import click

from .admin_client import admin_client
from .failures import failures_explained
from .options import AdminCommand, load_settings
from .output import echo_json, output_option
from .replacing import follow, text_of

PATH = "/workers/restart"


@click.command(cls=AdminCommand, short_help="Put new processes in the place of those that serve.")
@click.option("--slot", type=click.IntRange(0, 255), multiple=True, help="Only the worker in this slot; repeatable.")
@output_option("How to show what came of it.")
@click.pass_context
def command(ctx: click.Context, /, slot: tuple[int, ...], output: str, **_: object) -> None:
    """Put new processes in the place of those that serve, one after the other. Each new one has its services before it
    takes clients; then the old one finishes what it has within drain.timeout, and ends. No request is lost.

    Exits with 0 when all were replaced, with 1 when one could not be; those that serve go on.
    """
    with failures_explained():
        client = admin_client(load_settings(ctx).settings)
        client.begin(PATH, {"slot": [str(each) for each in slot]} if slot else {})
        came: dict[str, Any] = follow(client, PATH)
    if output == "json":
        echo_json(came)
    else:
        click.echo(text_of(came, f"workers were replaced by {', '.join(came['new'])}"))
    ctx.exit(0 if came["state"] == "done" else 1)
