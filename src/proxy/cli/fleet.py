"""`penstock fleet`: how every instance is, asked of all of them now."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec

from .admin_client import admin_client
from .columns import columns, milliseconds, seconds, strong
from .failures import failures_explained
from .options import AdminCommand, load_settings

HEAD = ("INSTANCE", "VERSION", "HEALTH", "READY", "ANSWER", "IN FLIGHT", "LATENCY", "UP", "CPU", "MEMORY", "WHY")
_MIB = 1 << 20


@click.command(cls=AdminCommand, short_help="Ask every instance how it is.")
@click.option("--service", metavar="NAME", help="Only those of this service.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to show them.")
@click.pass_context
def command(ctx: click.Context, /, output: str, service: str | None, **_: object) -> None:
    """Have the running gateway ask every instance how it is: its health as the gateway judges it, its readiness and its
    figures as it says them. The exit code is 1 where one has not answered, or is not ready. The gateway is found by
    admin.listen and admin.token, as `penstock serve` has them.
    """
    with failures_explained():
        client = admin_client(load_settings(ctx).settings)
        page = client.get("/fleet", {"service": service} if service else None)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(page), indent=2).decode())
    else:
        _show(page)
    if not all(each["ready"] for each in page["instances"]):
        ctx.exit(1)


def _show(page: Mapping[str, Any]) -> None:
    instances = page["instances"]
    if not instances:
        click.echo("there are no instances now")
        return
    first, *others = columns([HEAD, *map(_line, instances)])
    click.echo(strong(first))
    for line in others:
        click.echo(line)
    summary = page["summary"]
    click.echo(f"{summary['ready']} of {summary['instances']} are ready")


def _line(instance: Mapping[str, Any]) -> Sequence[str]:
    metrics, leg, ready = instance["metrics"], instance["leg"], instance["ready"]
    return (
        f"{instance['service']}/{instance['instance']}",
        instance["version"],
        instance["health"],
        "-" if ready is None else "yes" if ready else "NO",
        milliseconds(leg["ms"] * 1_000) if leg["ok"] else "none",
        str(metrics["in_flight"]),
        milliseconds(metrics["latency_us"]),
        _known(metrics.get("uptime_s"), seconds),
        _known(metrics.get("cpu_s"), lambda value: f"{value:.1f} s"),
        _known(metrics.get("rss_bytes"), lambda value: f"{value / _MIB:.0f} MiB"),
        "; ".join(filter(None, (instance["why"], *instance["reasons"], leg["reason"] or ""))),
    )


def _known(value: float | None, show: Any) -> str:
    return "-" if value is None else str(show(value))
