"""`penstock config`: shows every setting, where its value comes from, and why its default is what it is."""

import os
import shutil
import sys

import click

from ..config import gateway_registry
from .failures import failures_explained, tell_warnings
from .options import SettingsCommand, load_settings


@click.command(cls=SettingsCommand, short_help="Show every setting.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to show them.")
@click.pass_context
def command(ctx: click.Context, /, output: str, **_: object) -> None:
    """Show every setting: its value, where it comes from, its default and why. Secrets are shown as stars."""
    from penstock.settings.explain import as_json, as_text, rows

    with failures_explained():
        loaded = load_settings(ctx)
    shown = rows(gateway_registry(), loaded)
    bold = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    click.echo(as_json(shown) if output == "json" else as_text(shown, shutil.get_terminal_size().columns, bold))
    tell_warnings(loaded.warnings)
