"""`penstock services`: the instances that are connected to the running gateway."""

from collections.abc import Sequence

import click

from .columns import milliseconds, seconds
from .listing import Row, listing_options, show_list
from .options import AdminCommand

HEAD = ("INSTANCE", "VERSION", "REGION", "HEALTH", "IN FLIGHT", "LATENCY", "LOAD", "ENDPOINTS", "SINCE", "PEER", "WHY")


@click.command(cls=AdminCommand, short_help="List the instances that are connected.")
@listing_options
@click.pass_context
def command(ctx: click.Context, /, output: str, service: str | None, path: str | None, **_: object) -> None:
    """List the instances of services that are connected to the running gateway: how they are and why, what they have
    in flight, and how fast they answer. The gateway is found by admin.listen and admin.token, as `penstock serve` has
    them.
    """
    show_list(ctx, "services", HEAD, _lines, output, {"service": service, "path": path})


def _lines(row: Row) -> Sequence[Sequence[str]]:
    load = row["load_percent"]
    arrow = "->" if row["by"] == "dialled" else "<-"
    return [
        (
            f"{row['service']}/{row['instance']}",
            row["version"],
            row["region"],
            row["health"],
            str(row["in_flight"]),
            milliseconds(row["latency_us"]),
            "-" if load is None else f"{load:g} %",
            str(row["endpoints"]),
            seconds(row["connected_s"]),
            f"{arrow} {row['peer']}{_times(row['connections'])}",
            row["why"] or _breakers(row),
        )
    ]


def _times(connections: int) -> str:
    """Return how many connections there are, where it is not the one that there mostly is."""
    return "" if connections == 1 else f" x{connections}"


def _breakers(row: Row) -> str:
    """Return how the breakers stand: the instance's own, or those of its endpoints."""
    out = row["endpoint_breakers"]
    if row["breaker"] or not out:
        return str(row["breaker"])
    first, text = next(iter(out.items()))
    return f"{first}: {text}" + (f" ({len(out) - 1} more)" if len(out) > 1 else "")
