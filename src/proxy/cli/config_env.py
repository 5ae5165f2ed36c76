"""`penstock config env`: every variable with its value, as a file."""

import click

from ..config import gateway_registry
from .failures import failures_explained, tell_warnings
from .options import SettingsCommand, load_settings


@click.command(cls=SettingsCommand, short_help="Write every variable with its value.")
@click.pass_context
def command(ctx: click.Context, /, **_: object) -> None:
    """Write every variable with its value, as a file that shells, Docker and systemd read. What has its default stands
    in a comment; secrets are left out.
    """
    from penstock.settings.dotenv import as_variables

    with failures_explained():
        loaded = load_settings(ctx)
    click.echo(as_variables(gateway_registry(), loaded))
    tell_warnings(loaded.warnings)
