"""`penstock routes`: what the services of the running gateway offer, and on what terms."""

from collections.abc import Sequence
from typing import Any

import click

from .listing import Row, listing_options, show_list
from .options import AdminCommand

HEAD = ("METHOD", "PATH", "SERVICE", "VERSIONS", "ACCESS", "DEADLINE", "RESPONSES", "ALSO")


@click.command(cls=AdminCommand, short_help="List the routes that services offer.")
@listing_options
@click.pass_context
def command(ctx: click.Context, /, output: str, service: str | None, path: str | None, **_: object) -> None:
    """List the routes that the services of the running gateway offer: in which versions by how many instances (the
    default version has a star), who may ask, and what was answered. The gateway is found by admin.listen and
    admin.token, as `penstock serve` has them; --output json tells of each who made it so.
    """
    show_list(ctx, "routes", HEAD, _lines, output, {"service": service, "path": path})


def _lines(row: Row) -> Sequence[Sequence[str]]:
    policy = row["policy"]
    versions = [
        f"{each['version']}{'*' if each['default'] else ''} x{len(each['instances'])}" for each in row["versions"]
    ]
    return [
        (
            row["method"],
            row["path"],
            row["service"],
            ", ".join(versions),
            "; ".join([policy["access"], *policy["claims"]]),
            f"{row['deadline_ms']:,} ms",
            _responses(row["responses"]),
            "; ".join(_also(row, policy)),
        )
    ]


def _responses(counts: dict[str, int]) -> str:
    return " ".join(f"{name}:{count:,}" for name, count in counts.items() if count) or "-"


def _also(row: Row, policy: dict[str, Any]) -> list[str]:
    """Return what few routes have."""
    also = [f"limit {limit}" for limit in policy["rate_limits"]]
    also += ["tenant required"] if policy["tenant"] == "required" else []
    also += [f"{name} {policy[name]}" for name in ("split", "mirror", "placement") if policy[name]]
    also += [f"hosts {', '.join(row['hosts'])}"] if row["hosts"] != ["*"] else []
    also += [f"fan-out {row['fanout']}"] if row["fanout"] else []
    return [*also, *(["streams"] if row["streams"] else [])]
