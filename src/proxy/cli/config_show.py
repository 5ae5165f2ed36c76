"""`penstock config show`: every setting, where its value comes from, and why its default is what it is."""

import os
import shutil
import sys
from typing import Final

import click
import msgspec

from penstock.settings import Loaded

from ..config import GatewayConfig, gateway_registry
from .failures import failures_explained, tell_warnings
from .options import SettingsCommand, load_settings

_UNCHANGED: Final = "every setting has its default"


@click.command(cls=SettingsCommand, short_help="Show every setting.")
@click.option(
    "--output",
    type=click.Choice(["text", "json", "yaml", "markdown"]),
    default="text",
    help="How to show them; yaml is a settings file, markdown the reference page.",
)
@click.option(
    "--origin", is_flag=True, help="Show values and where they come from, each key of tables on a line of its own."
)
@click.option("--changed", is_flag=True, help="Leave out what has its default.")
@click.pass_context
def command(ctx: click.Context, /, output: str, origin: bool, changed: bool, **_: object) -> None:
    """Show every setting: its value, where it comes from, its default and why, and when a change takes effect. Secrets
    are shown as stars.
    """
    if output == "markdown":
        from .settings_page import settings_page

        click.echo(settings_page(), nl=False)
        return
    with failures_explained():
        loaded = load_settings(ctx)
    click.echo(_origins(loaded, output, changed) if origin else _settings(loaded, output, changed))
    tell_warnings(loaded.warnings)


def _settings(loaded: Loaded[GatewayConfig], output: str, changed: bool) -> str:
    from penstock.settings.explain import as_json, as_text, as_yaml, rows

    registry = gateway_registry()
    if output == "yaml":
        return as_yaml(registry, loaded, is_changed_only=changed)
    shown = [row for row in rows(registry, loaded) if row.origin != "default" or not changed]
    if output == "json":
        return as_json(shown)
    if not shown:
        return _UNCHANGED
    bold = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return as_text(shown, shutil.get_terminal_size().columns, bold)


def _origins(loaded: Loaded[GatewayConfig], output: str, changed: bool) -> str:
    from penstock.settings.explain import places

    lines = [line for line in places(gateway_registry(), loaded) if line[2] != "default" or not changed]
    if output in ("json", "yaml"):  # JSON is YAML, too
        listed = [dict(zip(("name", "value", "origin"), line, strict=True)) for line in lines]
        return msgspec.json.format(msgspec.json.encode(listed), indent=2).decode()
    if not lines:
        return _UNCHANGED
    names, values = (min(48, max(len(line[column]) for line in lines)) for column in (0, 1))
    return "\n".join(f"{name:{names}}  {value:{values}}  {place}" for name, value, place in lines)
