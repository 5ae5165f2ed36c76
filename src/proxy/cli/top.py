"""`penstock top`: what the running gateway does now."""

import sys
import time
from collections.abc import Callable
from typing import Any

import click
import msgspec

from proxy.admin.top import ROWS_MAX, Top

from .admin_client import AdminClient, admin_client
from .columns import columns, strong
from .failures import AdminError, failures_explained
from .keys import ReadKey, pressed_keys
from .options import AdminCommand, load_settings
from .parameters import DURATION
from .top_screen import View, screen
from .top_sections import SORTS, Section, instances, refusals, resilience, routes, summary, workers

ROWS = str(ROWS_MAX)
_SIZE_S = 0.25
"""How soon a terminal that was made larger is filled."""


@click.command(cls=AdminCommand, short_help="Show live what the running gateway does.")
@click.option("--service", metavar="NAME", help="Only routes and instances of this service.")
@click.option("--sort", type=click.Choice(list(SORTS)), default="rate", help="What routes are put in order by.")
@click.option("--every", type=DURATION, default="2s", metavar="TIME", help="How often to ask. [default 2s]")
@click.option("--once", is_flag=True, help="Show it once and end, as where the output is no terminal.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to show it; JSON once.")
@click.pass_context
def command(
    ctx: click.Context, /, service: str | None, sort: str, every: int, once: bool, output: str, **_: object
) -> None:
    """Show what the running gateway does now: rates, latencies, errors, routes, instances, breakers, and workers, of
    the last few seconds. Keys: q quits, s sorts by something else, p pauses, up and down scroll.

    The gateway is found by admin.listen and admin.token, as `penstock serve` has them.
    """
    with failures_explained():
        client = admin_client(load_settings(ctx).settings)
        query = {"limit": ROWS} | ({"service": service} if service else {})
        if output == "json":
            click.echo(msgspec.json.format(msgspec.json.encode(client.get("/top", query)), indent=2).decode())
        elif once or not sys.stdout.isatty():
            _print(ask(client, query), sort)
        else:
            with pressed_keys() as key:
                _watch(lambda: ask(client, query), View(sort), every / 1000, key)


def ask(client: AdminClient, query: dict[str, str]) -> Top:
    """Return the figures of now."""
    value: Any = client.get("/top", query)
    try:
        return msgspec.convert(value, Top)
    except msgspec.ValidationError:
        raise AdminError("the gateway tells other figures than this command shows; it is of another version") from None


def _print(top: Top, sort: str) -> None:
    click.echo(f"{top.gateway} {top.version}, {'ready' if top.ready else 'NOT READY'}, over {top.window_s:.1f} s")
    for reason in top.reasons:
        click.echo(f"  {reason}")
    click.echo("  ".join(cell.text for cell in (*summary(top), *resilience(top))))
    for section in (routes(top, sort), instances(top), refusals(top), workers(top)):
        _print_section(section)


def _print_section(section: Section) -> None:
    if not section.rows and not section.none:
        return
    click.echo(f"\n{section.title}")
    if not section.rows:
        click.echo(f"  {section.none}")
        return
    first, *others = columns([section.head, *([cell.text for cell in row] for row in section.rows)], indent="  ")
    click.echo(strong(first))
    for line in others:
        click.echo(line)


def _watch(ask_now: Callable[[], Top], view: View, every_s: float, key: ReadKey) -> None:
    """Show it until somebody quits. A gateway that is gone for a while is asked again; the first answer must come."""
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    with console.status("asking the gateway"):
        top = ask_now()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        asks_at = time.monotonic() + every_s
        while True:
            live.update(screen(top, view, console.width, console.height), refresh=True)
            pressed = _wait(key, lambda: (console.width, console.height), asks_at)
            if pressed == "q":
                return
            view = pressed_in(view, pressed)
            if time.monotonic() >= asks_at:
                if not view.is_paused:
                    top, view = _asked_again(ask_now, top, view)
                asks_at = time.monotonic() + every_s


def _wait(key: ReadKey, size_now: Callable[[], tuple[int, int]], until: float) -> str:
    """Wait for a key, for another size of the terminal, or for the time. Return the key."""
    size = size_now()
    while (left := until - time.monotonic()) > 0:
        pressed = key(min(left, _SIZE_S))
        if pressed or size_now() != size:
            return pressed
    return ""


def pressed_in(view: View, key: str) -> View:
    """Return the view after a key."""
    if key == "s":
        order = list(SORTS)
        return view._replace(sort=order[(order.index(view.sort) + 1) % len(order)])
    if key == "p":
        return view._replace(is_paused=not view.is_paused)
    if key in ("up", "down", "k", "j"):
        return view._replace(skipped=max(0, view.skipped + (1 if key in ("down", "j") else -1)))
    return view


def _asked_again(ask_now: Callable[[], Top], top: Top, view: View) -> tuple[Top, View]:
    try:
        return ask_now(), view._replace(problem="")
    except AdminError as error:
        return top, view._replace(problem=str(error))
