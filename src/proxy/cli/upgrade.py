"""`penstock upgrade`: has the version of the gateway that is installed now take the place of the one that runs."""

from typing import Any

import click

from .admin_client import admin_client
from .failures import failures_explained
from .options import AdminCommand, load_settings
from .output import echo_json, output_option
from .replacing import follow, text_of

PATH = "/upgrade"


@click.command(cls=AdminCommand, short_help="Have the version that is installed now take over.")
@output_option("How to show what came of it.")
@click.pass_context
def command(ctx: click.Context, /, output: str, **_: object) -> None:
    """Have the version that is installed now take over from the one that runs, as SIGUSR2 does: install it, and call
    this. It reads the settings first; where it refuses, nothing happens. The process keeps its number, its sockets and
    its workers, which are then replaced one after the other. No request is lost.

    Exits with 0 when all workers are of the new version, with 1 when one is not; those that serve go on.
    """
    with failures_explained():
        client = admin_client(load_settings(ctx).settings)
        client.begin(PATH, {})
        came: dict[str, Any] = follow(client, PATH)
    if output == "json":
        echo_json(came)
    else:
        click.echo(text_of(came, f"version {came['version']} has taken over from {came['was']}"))
    ctx.exit(0 if came["state"] == "done" else 1)
