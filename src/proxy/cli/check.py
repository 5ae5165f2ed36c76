"""`penstock check`: says whether the settings are right, without starting anything."""

import click

from .failures import failures_explained, tell_warnings
from .options import SettingsCommand, load_settings


@click.command(cls=SettingsCommand, short_help="Check the settings.")
@click.pass_context
def command(ctx: click.Context, /, **_: object) -> None:
    """Check the settings without starting anything. Exits with 0 when they are right, with 2 when they are not."""
    with failures_explained():
        loaded = load_settings(ctx)
    tell_warnings(loaded.warnings)
    click.echo("the settings are right")
