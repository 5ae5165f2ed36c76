"""`penstock upgrade`: has the version of the gateway that is installed now take the place of the one that runs."""

import click

from .options import AdminCommand
from .output import output_option
from .replacing import replace_workers

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
    replace_workers(ctx, PATH, {}, output, lambda came: f"version {came['version']} has taken over from {came['was']}")
