"""`penstock workers restart`: puts new processes in the place of those that serve, without losing a request."""

import click

from .options import AdminCommand
from .output import output_option
from .replacing import replace_workers

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
    question = {"slot": [str(each) for each in slot]} if slot else {}
    replace_workers(ctx, PATH, question, output, lambda came: f"workers were replaced by {', '.join(came['new'])}")
