"""`penstock explain`: what would become of a request, and which setting from which source made it so."""

import sys
from typing import Any

import click
import msgspec

from penstock.settings.errors import BadValueError
from penstock.settings.secrets import read_secret

from .admin_client import admin_client
from .columns import columns, milliseconds, strong
from .failures import EXIT_RUNTIME, AdminError, failures_explained
from .options import AdminCommand, load_settings

PATH = "/explain"
_HEAD = ("INSTANCE", "VERSION", "REGION", "TIER", "HEALTH", "IN FLIGHT", "LATENCY", "LOAD", "SHARE", "WHY")


@click.command(cls=AdminCommand, short_help="Tell what would become of a request.")
@click.argument("method")
@click.argument("target")
@click.option("--tenant", metavar="NAME", help="For which tenant: x-tenant-id.")
@click.option("--host", metavar="HOST", help="By which host.  [default: localhost]")
@click.option("--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header field; may be repeated.")
@click.option("--principal", metavar="NAME", help="As whom; believed without credentials.")
@click.option("--claims", metavar="JSON", help="What the principal claims.")
@click.option("--token-file", metavar="FILE", help="With the bearer token in this file, which is judged.")
@click.option("--address", metavar="IP", help="From which address.  [default: 127.0.0.1]")
@click.option("--scheme", type=click.Choice(["http", "https"]), help="Over TLS, or not.  [default: http]")
@click.option("--body-bytes", metavar="NUMBER", help="With a body so long.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to show it.")
@click.pass_context
def command(ctx: click.Context, /, output: str, headers: tuple[str, ...], token_file: str | None, **given: Any) -> None:
    """Tell what would become of a request at the running gateway: the route, who may ask, limits and what is left of
    them, deadline, version, split, placement, and the instances; and for each of them which service, which line of
    which file or which variable made it so. Nothing is sent and nothing is counted.

    The gateway is found by admin.listen and admin.token, as `penstock serve` has them. Exits with 0 when the request
    would be sent or answered, and with 1 when it would be refused.

    \b
    penstock explain GET /invoices/42 --tenant acme
    penstock explain POST /invoices --principal alice --claims '{"scope": "invoices:write"}'
    """  # noqa: D301 - \b is for click, which keeps the lines of such a paragraph
    with failures_explained():
        fields = [*headers, *([f"authorization:Bearer {_token(token_file)}"] if token_file else [])]
        names = ("method", "target", "tenant", "host", "principal", "claims", "address", "scheme", "body_bytes")
        query: dict[str, str | list[str]] = {name: given[name] for name in names if given[name] is not None}
        told = admin_client(load_settings(ctx).settings).get(PATH, {**query, "header": fields})
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        click.echo("\n".join(text_of(told)))
    if told["outcome"] == "refused":
        sys.exit(EXIT_RUNTIME)


def _token(path: str) -> str:
    try:
        return read_secret(path)
    except BadValueError as error:
        raise AdminError(f"--token-file: {error.why}; {error.fix}") from None


def text_of(told: dict[str, Any]) -> list[str]:
    """Return the lines of an explanation for a terminal."""
    lines = [strong(told["request"])]
    rows = [
        (step["name"] if at == 0 else "", line["text"], line["origin"])
        for step in told["steps"]
        for at, line in enumerate(step["lines"])
    ]
    lines += ["", *columns(rows, indent="  ", gap="   ", width_max=64)] if rows else []
    if told["instances"]:
        lines += ["", *columns([_HEAD, *map(_instance, told["instances"])], indent="  ")]
    lines += [f"  note: {note}" for note in told["notes"]]
    return [*lines, "", *_outcome(told)]


def _instance(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["instance"],
        row["version"],
        row["region"],
        row["tier"],
        row["health"],
        str(row["in_flight"]),
        milliseconds(row["latency_us"]),
        "-" if row["load_percent"] is None else f"{row['load_percent']:g} %",
        f"{row['share']:.0%}".replace("%", " %"),
        row["because"],
    )


def _outcome(told: dict[str, Any]) -> list[str]:
    if told["outcome"] == "sent":
        return [strong(f"=> sent to {told['instance']} ({told['version']}), due within {told['deadline_ms']:,} ms")]
    if told["outcome"] == "answered":
        return [strong(f"=> answered with {told['status']}: {told['title']}"), f"   {told['detail']}"]
    detail = [f"   {told['detail']}"] if told["detail"] else []
    return [strong(f"=> refused with {told['status']} {told['reason']}: {told['title']}"), *detail, f"   {told['fix']}"]
