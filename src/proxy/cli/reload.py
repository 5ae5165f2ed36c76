"""`penstock reload`: makes the running gateway read its settings again, and says what came of it."""

import sys
from typing import Any

import click
import msgspec

from .admin_client import admin_client
from .failures import EXIT_RUNTIME, failures_explained, tell
from .options import AdminCommand, load_settings

PATH = "/reload"


@click.command(cls=AdminCommand, short_help="Make the running gateway read its settings again.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to show what came of it.")
@click.pass_context
def command(ctx: click.Context, /, output: str, **_: object) -> None:
    """Make the running gateway read its settings again, from the file, the flags and the variables that it was started
    with. It is found by admin.listen and admin.token, which are given here as for `penstock serve`.

    Exits with 0 when the settings were applied, with 1 when they were refused or the gateway cannot be reached.
    """
    with failures_explained():
        answer = admin_client(load_settings(ctx).settings).post(PATH)
    report: dict[str, Any] = answer.value
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    elif report.get("applied"):
        _show_applied(report)
    else:
        _show_refused(report)
    if not report.get("applied"):
        sys.exit(EXIT_RUNTIME)


def _show_applied(report: dict[str, Any]) -> None:
    changes = report.get("changes", [])
    click.echo(f"the settings were applied: {len(changes)} changed; revision {report.get('revision')}")
    for change in changes:
        click.echo(f"  {_sentence(change)}")
    for warning in report.get("warnings", []):
        tell("warning", warning)


def _sentence(change: dict[str, Any]) -> str:
    from ..config.changes import Change

    return str(msgspec.convert(change, Change))


def _show_refused(report: dict[str, Any]) -> None:
    for problem in report.get("problems", []):
        tell("error", problem)
    tell("error", "the settings were refused, and the gateway goes on with those that it has")
