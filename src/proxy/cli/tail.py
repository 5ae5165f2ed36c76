"""`penstock tail`: requests of the running gateway, as they end."""

import time
from typing import Any

import click
import msgspec

from proxy.admin.record_page import ROWS_MAX, RecordPage

from .admin_client import AdminClient, admin_client
from .failures import AdminError, failures_explained, tell
from .options import AdminCommand, load_settings
from .parameters import DURATION
from .record_lines import is_colourful, line_of

EVERY_S = 0.25
AGAIN_S = 1.0
"""Between two tries to reach a gateway that has gone."""


@click.command(cls=AdminCommand, short_help="Show requests as they end, filtered.")
@click.option("--route", metavar="PATH", help="Only those whose path, or whose route's, begins so.")
@click.option("--service", metavar="NAME", help="Only those of this service's routes.")
@click.option("--instance", metavar="NAME", help="Only those that this instance was asked.")
@click.option("--method", metavar="METHOD", help="Only those with this method.")
@click.option("--tenant", metavar="NAME", help="Only those of this tenant.")
@click.option("--status", metavar="STATUS", help="Only those answered so: 503, or 5xx; none for those without answer.")
@click.option("--reason", metavar="CODE", help="Only those that the gateway answered for this reason.")
@click.option("--slower", type=DURATION, metavar="TIME", help="Only those that took at least as long.")
@click.option("--notable", is_flag=True, help="Only those that failed, were slow, or were sent again.")
@click.option("-n", "--last", type=click.IntRange(0, ROWS_MAX), default=10, help="How many of before to begin with.")
@click.option("--follow/--no-follow", default=True, help="Whether to go on until interrupted.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to show them; JSON by lines.")
@click.pass_context
def command(ctx: click.Context, /, last: int, follow: bool, output: str, **given: Any) -> None:
    """Show requests of the running gateway as they end: when, the answer, how long it took, what was asked, who
    answered, and the request id, by which `penstock trace` tells more. Values in queries are stars, unless
    records.query says otherwise.

    The gateway is found by admin.listen and admin.token, as `penstock serve` has them.
    """
    with failures_explained():
        client = admin_client(load_settings(ctx).settings)
        names = ("route", "service", "instance", "method", "tenant", "status", "reason")
        query = {name: given[name] for name in names if given[name]}
        query |= {"slower_ms": str(given["slower"])} if given["slower"] else {}
        query |= {"ring": "notable"} if given["notable"] else {}
        page = read_page(client, query | {"limit": str(max(1, last))})
        newest = page.records[-last:] if last else []  # there are as many of each worker
        _show(msgspec.structs.replace(page, records=newest), output)
        if follow:
            _follow(client, query | {"limit": str(ROWS_MAX)}, page, output)


def _follow(client: AdminClient, query: dict[str, str], page: RecordPage, output: str) -> None:
    """Go on until interrupted. A gateway that has gone is looked for until it is back."""
    is_gone = False
    while True:
        if not page.has_more:
            time.sleep(AGAIN_S if is_gone else EVERY_S)
        try:
            page = read_page(client, query | {"after": page.next})
        except AdminError as error:
            if not is_gone:
                tell("warning", f"{error}; it is looked for until it is back")
            is_gone = True
            continue
        is_gone = False
        if page.lost:
            tell("warning", f"{page.lost:,} requests were not seen: more ended meanwhile than are kept")
        _show(page, output)


def read_page(client: AdminClient, query: dict[str, str]) -> RecordPage:
    """Return a page of records."""
    value: Any = client.get("/records", query)
    try:
        return msgspec.convert(value, RecordPage)
    except msgspec.ValidationError:
        raise AdminError(
            "the gateway tells of requests in another way than is known here; it is of another version"
        ) from None


def _show(page: RecordPage, output: str) -> None:
    colours = is_colourful()
    for row in page.records:
        click.echo(msgspec.json.encode(row).decode() if output == "json" else line_of(row, colours=colours), nl=True)
