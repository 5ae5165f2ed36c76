"""`penstock drain`: makes the running gateway finish what it has, and end."""

import time

import click

from .admin_client import AdminClient, admin_client
from .failures import AdminError, failures_explained
from .options import AdminCommand, load_settings
from .output import echo_json, output_option

PATH = "/drain"
POLL_S = 0.1


@click.command(cls=AdminCommand, short_help="Make the running gateway finish what it has, and end.")
@click.option("--wait", is_flag=True, help="Come back when the gateway has ended.")
@output_option("How to show what came of it.")
@click.pass_context
def command(ctx: click.Context, /, wait: bool, output: str, **_: object) -> None:
    """Make the running gateway take nothing new, finish what it has within drain.timeout, and end; as SIGTERM does. The
    gateway is found by admin.listen and admin.token, as `penstock serve` has them.

    Exits with 0 when it drains (with --wait: has ended), with 1 when it cannot be reached.
    """
    with failures_explained():
        client = admin_client(load_settings(ctx).settings)
        answer = client.post(PATH)
        if answer.status != 200:
            raise AdminError(str(answer.value.get("detail") or "the gateway does not drain, and does not say why"))
        took_s = _wait_for_the_end(client) if wait else None
    if output == "json":
        echo_json({"status": "draining"} if took_s is None else {"status": "ended", "took_s": round(took_s, 1)})
    elif took_s is None:
        click.echo("the gateway is draining: it takes nothing new, finishes what it has, and ends")
    else:
        click.echo(f"the gateway has ended, after {took_s:.1f} s")


def _wait_for_the_end(client: AdminClient) -> float:
    """Return how long it took until nobody answers any more."""
    began = time.monotonic()
    while client.is_there():
        time.sleep(POLL_S)
    return time.monotonic() - began
