"""`penstock asgi`: puts an existing ASGI application behind the gateway, unchanged."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .failures import EXIT_RUNTIME, tell

if TYPE_CHECKING:
    from penstock.asgi import AsgiService


@click.command(short_help="Put an ASGI application behind the gateway.")
@click.argument("application", metavar="MODULE:APP")
@click.option("--name", required=True, help="The service's name at the gateway.")
@click.option("--version", "version", required=True, metavar="SEMVER", help="The service's version, such as 1.0.0.")
@click.option("--prefix", default="", metavar="PATH", help="Offer only what is below this path. [default: everything]")
@click.option(
    "--root-path",
    metavar="PATH",
    help="What of the path is not the application's business. [default: the prefix; '' for an application whose own "
    "routes begin with it]",
)
@click.option("--routes", is_flag=True, help="Offer the routes that the application names, and not all paths.")
@click.option(
    "--access",
    type=click.Choice(["public", "authenticated"]),
    help="Who may ask. [default: as the gateway's identity.undeclared says]",
)
@click.option(
    "--claim",
    "claims",
    multiple=True,
    metavar="NAME[=VALUE]",
    help="What the identity must claim; may be given more than once, and of several values one is enough.",
)
@click.option(
    "--loop",
    type=click.Choice(["trio", "asyncio", "uvloop"]),
    default="trio",
    show_default=True,
    help="Where it runs: on Trio itself, or in a loop of its own for libraries that want asyncio.",
)
@click.option(
    "--lifespan",
    type=click.Choice(["auto", "on", "off"]),
    default="auto",
    show_default=True,
    help="Whether it has a lifespan: start and end of the application.",
)
@click.option("--factory", is_flag=True, help="MODULE:APP is a function that returns the application.")
@click.option(
    "--app-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the module is. [default: the current folder]",
)
@click.option("--grace", "grace_s", type=float, metavar="SECONDS", help="How long it may go on without its client.")
def command(**options: Any) -> None:
    """Serve an ASGI application (Starlette, FastAPI, Litestar, ...) to the gateways that PENSTOCK_GATEWAYS names.

    \b
    PENSTOCK_GATEWAYS=tcp://127.0.0.1:7420 penstock asgi shop.main:app --name shop --version 1.0.0
    """  # noqa: D301 - \b is for click, which keeps the lines of such a paragraph
    from penstock.errors import PenstockError

    try:
        service = make_service(**options)
    except PenstockError as error:
        tell("error", str(error))
        raise SystemExit(EXIT_RUNTIME) from None
    service.run()


def make_service(
    application: str,
    *,
    app_dir: Path | None,
    factory: bool,
    claims: tuple[str, ...],
    grace_s: float | None,
    **options: Any,
) -> "AsgiService":
    """Load the application and return its service. Raises `PenstockError`."""
    from penstock import asgi
    from penstock.asgi.bridge import GRACE_S
    from penstock.asgi.load import load_application

    app = load_application(application, folder=app_dir, is_factory=factory)
    return asgi.service(app, claims=read_claims(claims), grace_s=GRACE_S if grace_s is None else grace_s, **options)


def read_claims(texts: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the claims that NAME=VALUE texts ask for; a name alone asks for any value."""
    claims: dict[str, list[str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        claims.setdefault(name, [])
        if equals:
            claims[name].append(value)
    return claims
