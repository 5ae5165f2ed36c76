"""`penstock check`: says whether the settings are right, without starting anything."""

import click
import msgspec

from penstock.settings import Loaded, Problem, SettingsError

from ..config import GatewayConfig
from .failures import failures_explained, tell_warnings
from .options import SettingsCommand, load_settings
from .output import echo_json, output_option


@click.command(cls=SettingsCommand, short_help="Check the settings.")
@output_option("How to show what came of it.")
@click.pass_context
def command(ctx: click.Context, /, output: str, **_: object) -> None:
    """Check the settings, and the files that they name, without starting anything: certificates and keys, keys of
    issuers, placement maps. Exits with 0 when they are right, with 2 when they are not.
    """
    with failures_explained():
        try:
            loaded = _load(ctx)
        except SettingsError as error:
            if output == "json":
                _show_json(error.problems, ())
            raise
    tell_warnings(loaded.warnings)
    if output == "json":
        _show_json((), loaded.warnings)
    else:
        click.echo("the settings are right")


def _load(ctx: click.Context) -> Loaded[GatewayConfig]:
    from .check_files import check_files

    loaded = load_settings(ctx)
    problems = check_files(loaded)
    if problems:
        raise SettingsError(problems)
    return loaded


def _show_json(problems: tuple[Problem, ...], warnings: tuple[Problem, ...]) -> None:
    echo_json({"right": not problems, **msgspec.to_builtins({"problems": problems, "warnings": warnings})})
