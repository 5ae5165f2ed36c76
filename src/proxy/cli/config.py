"""`penstock config`: shows, checks, compares and begins the configuration. Without a sub-command it shows all of it."""

import click

from .subcommands import SubcommandGroup

# Helps stand here, so that listing the sub-commands imports none of them.
COMMANDS = {
    "show": "Show every setting: its value, where it comes from, its default and why.",
    "check": "Check the settings, and the files that they name, without starting anything.",
    "env": "Write every variable with its value, as a file for a shell, Docker or systemd.",
    "schema": "Write the JSON Schema of the settings file, for editors.",
    "diff": "Show what another settings file would change, and what of it needs a restart.",
    "init": "Write a settings file to begin with.",
}
MODULES = {name: f"proxy.cli.config_{name}" for name in COMMANDS} | {"check": "proxy.cli.check"}


@click.group(
    cls=SubcommandGroup, helps=COMMANDS, modules=MODULES, short_help="Show, check, compare and begin the configuration."
)
def command() -> None:
    """Show, check, compare and begin the configuration. Without a command, every setting is shown.

    Exits with 0 when all is right, with 2 when the settings are wrong, with 1 when anything else is in the way.
    """
