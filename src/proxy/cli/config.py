"""`penstock config`: shows, checks, compares and begins the configuration. Without a sub-command it shows all of it."""

from importlib import import_module
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

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


class ConfigGroup(click.Group):
    """A group whose sub-commands are modules beside this one; flags alone are those of ``show``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``show`` where there is no sub-command."""
        if not args and ctx.resilient_parsing:  # a shell asks what may come next
            return super().parse_args(ctx, args)
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["show", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a sub-command, or None when there is no such."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(MODULES[cmd_name]).command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return the sub-commands that begin so, from the table above."""
        from .completing import complete_group

        return complete_group(self, COMMANDS, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of sub-commands from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=ConfigGroup, short_help="Show, check, compare and begin the configuration.")
def command() -> None:
    """Show, check, compare and begin the configuration. Without a command, every setting is shown.

    Exits with 0 when all is right, with 2 when the settings are wrong, with 1 when anything else is in the way.
    """
