"""`penstock workers list`: the processes of the running gateway, and how each of them is."""

from collections.abc import Sequence
from typing import Any

import click

from .admin_client import admin_client
from .columns import columns, seconds, strong
from .failures import failures_explained
from .options import AdminCommand, load_settings
from .output import echo_json, output_option

PATH = "/workers"
HEAD = ("WORKER", "PID", "STATE", "SINCE", "SERVICES PORT", "INSTANCES", "NOT READY")
ALONE = "the gateway is a single process, without workers; the setting workers (PENSTOCK_WORKERS) says how many it has"


@click.command(cls=AdminCommand, short_help="List the processes that serve, and how they are.")
@output_option("How to show them.")
@click.pass_context
def command(ctx: click.Context, /, output: str, **_: object) -> None:
    """List the processes of the running gateway: for how long each has been there, whether it takes clients (serving),
    is about to (starting, holding) or finishes what it has (draining), and how many instances of services it reaches.
    The gateway is found by admin.listen and admin.token, as `penstock serve` has them.
    """
    with failures_explained():
        page = admin_client(load_settings(ctx).settings).get(PATH)
    if output == "json":
        echo_json(page)
        return
    for line in _lines(page):
        click.echo(line)


def _lines(page: dict[str, Any]) -> Sequence[str]:
    if not page["workers"]:
        return [ALONE]
    first, *others = columns([HEAD, *map(_cells, page["workers"])])
    draining = "; the gateway is draining" if page["draining"] else ""
    return [strong(first), *others, f"{page['restarts']} restarted since the start{draining}"]


def _cells(row: dict[str, Any]) -> Sequence[str]:
    return (
        row["worker"],
        str(row["pid"]),
        row["state"],
        seconds(row["uptime_s"]),
        str(row["services_port"]),
        str(len(row["instances"])) if row["answers"] else "-",
        " ".join(row["not_ready"]),
    )
