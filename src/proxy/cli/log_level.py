"""`penstock log-level`: shows which lines the running gateway logs, and changes it."""

from typing import Any

import click
import msgspec

from .admin_client import admin_client
from .columns import columns, strong
from .failures import failures_explained
from .options import AdminCommand, load_settings

PATH = "/log-level"
LEVELS = ("debug", "info", "warning", "error", "default")


@click.command(cls=AdminCommand, short_help="Show or change which lines the running gateway logs.")
@click.argument("logger", required=False)
@click.argument("level", required=False, type=click.Choice(LEVELS))
@click.option("--for", "for_", metavar="TIME", help="How long, like 10m. Without it: until the gateway ends.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to show the levels.")
@click.pass_context
def command(
    ctx: click.Context, /, logger: str | None, level: str | None, for_: str | None, output: str, **_: object
) -> None:
    """Show the level of each logger of the running gateway, or give LOGGER another LEVEL; `default` is what the
    settings say, and the logger `root` is above all others.

    \b
        penstock log-level
        penstock log-level penstock.identity debug --for 10m
        penstock log-level penstock.identity default
    """  # noqa: D301 - \b is for click
    if logger is not None and level is None:
        raise click.UsageError(f"write the level, too: one of {', '.join(LEVELS)}")
    if level is None and for_ is not None:
        raise click.UsageError("--for says how long a change holds; write LOGGER and LEVEL, too")
    with failures_explained():
        client = admin_client(load_settings(ctx).settings)
        if logger is None or level is None:
            state = client.get(PATH)
        else:
            state = client.put(PATH, {"logger": logger, "level": level, **({"for": for_} if for_ else {})})
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(state), indent=2).decode())
        return
    _show(state)


def _show(state: dict[str, Any]) -> None:
    levels = {each["logger"]: each for each in state["levels"]}
    known = {each["logger"]: each for each in state["loggers"]}
    names = [*known, *sorted(levels.keys() - known.keys())]
    rows = [
        [
            name,
            known[name]["level"] if name in known else levels[name]["level"],
            _why(levels.get(name)),
            _what(known, name),
        ]
        for name in names
    ]
    first, *others = columns([["LOGGER", "LEVEL", "SINCE", "WHAT IT TELLS OF"], *rows])
    click.echo(strong(first))
    for line in others:
        click.echo(line)
    if state["dropped"]:
        click.echo(f"{state['dropped']:,} lines were dropped, since nobody read the log or it could not be written")


def _why(level: dict[str, Any] | None) -> str:
    """Who has set a level, if anybody has."""
    if level is None:
        return ""
    left = level["seconds_left"]
    return level["source"] if left is None else f"{level['source']}, for {left:.0f} s more"


def _what(known: dict[str, Any], name: str) -> str:
    return str(known[name]["what"]) if name in known else ""
