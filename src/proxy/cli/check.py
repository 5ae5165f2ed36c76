"""`penstock check`: says whether the settings are right, without starting anything."""

import click

from penstock.settings import SettingsError

from .failures import failures_explained, tell_warnings
from .options import SettingsCommand, load_settings


@click.command(cls=SettingsCommand, short_help="Check the settings.")
@click.pass_context
def command(ctx: click.Context, /, **_: object) -> None:
    """Check the settings, and the files that they name, without starting anything: certificates and keys, keys of
    issuers, placement maps. Exits with 0 when they are right, with 2 when they are not.
    """
    from .check_files import check_files

    with failures_explained():
        loaded = load_settings(ctx)
        problems = check_files(loaded)
        if problems:
            raise SettingsError(problems)
    tell_warnings(loaded.warnings)
    click.echo("the settings are right")
