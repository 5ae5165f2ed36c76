"""`penstock workers`: the processes of the running gateway. Without a sub-command it lists them."""

from importlib import import_module
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# Helps stand here, so that listing the sub-commands imports none of them.
COMMANDS = {
    "list": "List the processes that serve, and how they are.",
    "restart": "Put new processes in the place of those that serve.",
}


class WorkersGroup(click.Group):
    """A group whose sub-commands are modules beside this one; flags alone are those of ``list``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``list`` where there is no sub-command."""
        if not args and ctx.resilient_parsing:  # a shell asks what may come next
            return super().parse_args(ctx, args)
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a sub-command, or None when there is no such."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"proxy.cli.workers_{cmd_name}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return the sub-commands that begin so, from the table above."""
        from .completing import complete_group

        return complete_group(self, COMMANDS, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of sub-commands from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=WorkersGroup, short_help="Look after the processes of the running gateway.")
def command() -> None:
    """Look after the processes of the running gateway. Without a command, they are listed.

    Exits with 0 when all went well, with 1 when the gateway cannot be asked or refuses.
    """
