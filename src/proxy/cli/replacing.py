"""Has a gateway replace its workers, and waits until it has, which takes a moment for each of them."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import click

from .admin_client import AdminClient, admin_client
from .failures import AdminError, failures_explained
from .options import load_settings
from .output import echo_json

POLL_S: Final = 0.2
ABSENT_S: Final = 30.0
"""How long nobody may answer: while one program takes the place of another, the connection waits."""


def replace_workers(
    ctx: click.Context,
    page: str,
    question: Mapping[str, Sequence[str]],
    output: str,
    done: Callable[[dict[str, Any]], str],
) -> None:
    """Ask for it, say what came of it, and end. done: what to tell people of the page's answer where all went well."""
    with failures_explained():
        client = admin_client(load_settings(ctx).settings)
        client.begin(page, question)
        came = follow(client, page)
    is_done = came["state"] == "done"
    if output == "json":
        echo_json(came)
    else:
        click.echo(done(came) if is_done else f"not all workers were replaced: {came['error']}")
    ctx.exit(0 if is_done else 1)


def follow(client: AdminClient, path: str) -> dict[str, Any]:
    """Return what the page says when it is over.

    Raises:
        AdminError: the gateway has gone meanwhile.
    """
    last_heard = time.monotonic()
    while True:
        try:
            came: dict[str, Any] = client.get(path)
        except AdminError:
            if time.monotonic() - last_heard > ABSENT_S:
                raise
        else:
            last_heard = time.monotonic()
            if came.get("state") in ("done", "failed"):
                return came
        time.sleep(POLL_S)
