"""`penstock trace ID`: what became of a request."""

import sys

import click
import msgspec

from .admin_client import admin_client
from .failures import EXIT_RUNTIME, failures_explained, tell
from .options import AdminCommand, load_settings
from .record_lines import block_of
from .tail import read_page


@click.command(cls=AdminCommand, short_help="Tell what became of a request, by its id.")
@click.argument("identity", metavar="ID")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to show it.")
@click.pass_context
def command(ctx: click.Context, /, identity: str, output: str, **_: object) -> None:
    """Tell what became of a request: its answer, its route, each attempt at a service with its time and outcome, and
    what of the time was the gateway's own. ID is its request id (as in the answer's x-request-id), or the correlation
    or trace id that several may share. The last requests of each process are kept, and the last that failed, were
    slow, or were sent again.

    Exits with 1 where none that is kept has this id. The gateway is found by admin.listen and admin.token, as
    `penstock serve` has them.
    """
    with failures_explained():
        found = read_page(admin_client(load_settings(ctx).settings), {"id": identity}).records
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    elif found:
        bar = "█" if (sys.stdout.encoding or "").lower().startswith("utf") else "#"
        blocks = ["\n".join(block_of(row, bar=bar)) for row in found]
        click.echo("\n\n".join(blocks))
    else:
        tell("error", "no request that is kept has this id; the last ones are, and the last that failed or were slow")
    if not found:
        sys.exit(EXIT_RUNTIME)
