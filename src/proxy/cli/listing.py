"""What `penstock routes` and `penstock services` have in common: all pages of a list, as JSON or as columns."""

from collections.abc import Callable, Sequence
from typing import Any

import click
import msgspec

from .admin_client import AdminClient, admin_client
from .columns import columns, strong
from .failures import failures_explained
from .options import load_settings

LIMIT = "1000"

Row = dict[str, Any]


def show_list(
    ctx: click.Context,
    name: str,
    head: Sequence[str],
    lines_of: Callable[[Row], Sequence[Sequence[str]]],
    output: str,
    wanted: dict[str, str | None],
) -> None:
    """Ask the gateway for a list, and show it. lines_of: the lines of a row, each with as many cells as head."""
    with failures_explained():
        rows = all_rows(admin_client(load_settings(ctx).settings), name, {k: v for k, v in wanted.items() if v})
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode())
        return
    if not rows:
        click.echo(f"there are no {name}" + (" that are wanted" if any(wanted.values()) else " now"))
        return
    first, *others = columns([head, *(line for row in rows for line in lines_of(row))])
    click.echo(strong(first))
    for line in others:
        click.echo(line)


def all_rows(client: AdminClient, name: str, wanted: dict[str, str]) -> list[Row]:
    """Return the rows of all pages."""
    rows: list[Row] = []
    query = {**wanted, "limit": LIMIT}
    while True:
        page = client.get(f"/{name}", query)
        rows += page[name]
        if page["next"] is None:
            return rows
        query["after"] = page["next"]


def listing_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a list."""
    output = click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to show them.")
    path = click.option("--path", metavar="PATH", help="Only those whose path begins so.")
    service = click.option("--service", metavar="NAME", help="Only those of this service.")
    return service(path(output(command)))
