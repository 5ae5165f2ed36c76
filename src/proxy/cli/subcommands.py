"""Groups of sub-commands, each a module of its own, which is imported when it is called."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class SubcommandGroup(click.Group):
    """A group that knows its sub-commands by a table, so that listing them imports none of them."""

    def __init__(self, name: str | None, helps: Mapping[str, str], modules: Mapping[str, str], **more: Any) -> None:
        """helps: by name, in the order of use; the first is what is done without a name. modules: who has which."""
        super().__init__(name, **more)
        self.helps = helps
        self.modules = modules

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the first sub-command where there is none."""
        if not args and ctx.resilient_parsing:  # a shell asks what may come next
            return super().parse_args(ctx, args)
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = [next(iter(self.helps)), *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of use."""
        return list(self.helps)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a sub-command, or None when there is no such."""
        if cmd_name not in self.helps:
            return None
        command: click.Command = import_module(self.modules[cmd_name]).command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return the sub-commands that begin so, from the table."""
        from .completing import complete_group

        return complete_group(self, self.helps, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of sub-commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.helps.items()))
