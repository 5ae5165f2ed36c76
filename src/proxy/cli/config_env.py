"""`penstock config env`: every variable with its value, as a file."""

import click

from ..config import gateway_registry
from .failures import failures_explained, tell_warnings
from .options import SettingsCommand, load_settings
from .output import echo_json, output_option


@click.command(cls=SettingsCommand, short_help="Write every variable with its value.")
@output_option("How to write them; json has the values alone, without what is not set and what is secret.")
@click.pass_context
def command(ctx: click.Context, /, output: str, **_: object) -> None:
    """Write every variable with its value, as a file that shells, Docker and systemd read. What has its default stands
    in a comment; secrets are left out.
    """
    from penstock.settings.dotenv import as_variables, set_variables

    with failures_explained():
        loaded = load_settings(ctx)
    if output == "json":
        echo_json(set_variables(gateway_registry(), loaded))
    else:
        click.echo(as_variables(gateway_registry(), loaded))
    tell_warnings(loaded.warnings)
