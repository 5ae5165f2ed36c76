"""`penstock config diff`: what another settings file would change, and what of it needs a restart."""

import sys
from pathlib import Path

import click
import msgspec

from ..config import gateway_registry
from .failures import failures_explained, tell_warnings
from .options import SettingsCommand, settings_loader

EXIT_DIFFERENT = 1


@click.command(cls=SettingsCommand, short_help="Show what another settings file would change.")
@click.argument("new", type=Path, metavar="FILE")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", help="How to show what differs.")
@click.pass_context
def command(ctx: click.Context, /, new: Path, output: str, **_: object) -> None:
    """Show what FILE would change against the file that --config names, or against the defaults: by what it means, not
    by its lines, with the same flags and variables for both. What needs a restart says so.

    Exits with 0 when nothing differs, with 1 when something does, with 2 when one of the files is wrong.
    """
    from ..config.changes import compare

    with failures_explained():
        old_loaded, new_loaded = settings_loader(ctx)(), settings_loader(ctx, new)()
    changes = compare(gateway_registry(), old_loaded.values, new_loaded.values)
    tell_warnings(new_loaded.warnings)
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(changes), indent=2).decode())
    else:
        click.echo("\n".join(map(str, changes)) or "nothing differs")
    if changes:
        sys.exit(EXIT_DIFFERENT)
