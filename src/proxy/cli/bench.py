"""`penstock bench`: load of a rate that does not give way, and how long what is loaded takes for it."""

import sys
from typing import TYPE_CHECKING, Any

import click

from .failures import EXIT_INTERRUPTED, EXIT_RUNTIME, tell
from .output import echo_json, output_option
from .parameters import BODY, DURATION, HEADER

if TYPE_CHECKING:
    from ..loading.result import Result, Second
    from ..loading.targets import Target

CONNECTIONS_MAX = 20_000


@click.command(short_help="Load a gateway or a service, and tell how long it takes.")
@click.argument("url")
@click.option(
    "--rate", type=click.FloatRange(0.01, 10_000_000), default=100, show_default=True, help="Requests per second."
)
@click.option("--duration", type=DURATION, default="10s", show_default=True, help="For how long.")
@click.option("--warmup", type=DURATION, default=None, help="For how long before that, uncounted. [default: none]")
@click.option(
    "--connections",
    type=click.IntRange(1, CONNECTIONS_MAX),
    default=None,
    help="Open at once. [default: 50; 1 for frames]",
)
@click.option("--timeout", type=DURATION, default="10s", show_default=True, help="How long one request may take.")
@click.option(
    "--arrivals",
    type=click.Choice(["even", "poisson"]),
    default="even",
    show_default=True,
    help="Evenly, or by chance, as the requests of many come.",
)
@click.option("--method", "-X", default=None, metavar="METHOD", help="[default: GET; POST where there is a body]")
@click.option("--header", "-H", "headers", type=HEADER, multiple=True, help="A field of the head; may be repeated.")
@click.option(
    "--body", "-d", type=BODY, default=b"", show_default=False, help="The body: text, @FILE, or @- for stdin."
)
@click.option("--tenant", default="", metavar="TENANT", help="For which tenant.")
@click.option("--ca", default="", metavar="FILE", help="Authorities to believe. [default: those of the system]")
@click.option("--insecure", is_flag=True, help="Believe any certificate.")
@click.option(
    "--processes",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Of which each makes a part of the load.",
)
@click.option("--quiet", is_flag=True, help="Show no line for each second while it runs.")
@output_option("How to show what came of it.")
def command(url: str, **given: Any) -> None:
    """Send requests at a rate that does not depend on how fast they are answered, and show latencies, counted from the
    moment at which each request was due: who has to wait before it can be sent has waited.

    http:// and https:// load a gateway, or any other HTTP server. tcp:// and tls:// load a service that listens
    (PENSTOCK_SERVICE_LISTEN), straight over frames, as a gateway would.

    Exits with 0 when something was measured, with 1 when nothing could be: nobody answers, or no request has got a
    whole answer. When the figures tell of bench itself and not of what it loads, it says so.

    \b
    penstock bench http://127.0.0.1:8080/invoices/42 --rate 1000 --duration 30s
    penstock bench tcp://127.0.0.1:7501/invoices/42 --rate 5000 --arrivals poisson
    """  # noqa: D301 - \b is for click, which keeps the lines of such a paragraph
    from ..loading.result import LoadError, as_plain

    is_json = given["output"] == "json"
    try:
        target = _target(url, given)
        result = _measure(target, given, shows_seconds=not is_json and not given["quiet"])
    except LoadError as error:
        tell("error", str(error))
        sys.exit(EXIT_RUNTIME)
    if is_json:
        echo_json(as_plain(result))
    else:
        from .bench_report import report

        click.echo(report(result))
    if result.is_stopped:
        sys.exit(EXIT_INTERRUPTED)
    if not result.answered:
        sys.exit(EXIT_RUNTIME)


def _target(url: str, given: dict[str, Any]) -> "Target":
    from ..loading.targets import Target, read_url

    scheme, host, port, path = read_url(url)
    method = given["method"] or ("POST" if given["body"] else "GET")
    return Target(
        url=url,
        scheme=scheme,
        host=host,
        port=port,
        path=path,
        method=method.upper(),
        headers=given["headers"],
        body=given["body"],
        tenant=given["tenant"],
        timeout_ms=given["timeout"],
        ca=given["ca"],
        is_trusting=given["insecure"],
    )


def _measure(target: "Target", given: dict[str, Any], *, shows_seconds: bool) -> "Result":
    from ..loading.arrivals import Arrivals
    from ..loading.many import measure
    from ..loading.run import Plan

    warmup_ms = given["warmup"] or 0
    plan = Plan(
        target=target.url,
        arrivals=Arrivals(given["rate"], (warmup_ms + given["duration"]) / 1000, given["arrivals"]),
        connections=given["connections"] or (50 if target.is_http else given["processes"]),
        timeout_us=given["timeout"] * 1000,
        warmup_us=warmup_ms * 1000,
    )
    return measure(plan, target, given["processes"], _show_second if shows_seconds else None)


def _show_second(second: "Second") -> None:
    from .bench_report import second_line

    click.echo(second_line(second), err=True)
