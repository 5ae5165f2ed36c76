"""The command itself: finds the sub-command and imports only that one, so that `--version` answers at once."""

from importlib import import_module
from typing import TYPE_CHECKING

import click

from proxy import __version__

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

# Helps stand here, so that listing the commands imports none of them.
SECTIONS = {
    "Run a gateway": {
        "serve": "Run the gateway.",
        "demo": "Run the gateway and an example service in this terminal.",
        "asgi": "Put an ASGI application behind the gateway.",
    },
    "Settings": {
        "config": "Show, check, compare and begin the configuration.",
        "check": "Check the settings without starting anything.",
    },
    "Look at a running gateway": {
        "top": "Show live what the gateway does.",
        "tail": "Show requests as they end, filtered.",
        "trace": "Tell what became of a request, by its id.",
        "explain": "Tell what would become of a request, and why.",
        "routes": "List the routes that services offer.",
        "services": "List the instances that are connected.",
        "fleet": "Ask every instance how it is.",
        "workers": "List the gateway's processes; restart them.",
    },
    "Change a running gateway": {
        "reload": "Make the running gateway read its settings again.",
        "upgrade": "Have the version that is installed now take over.",
        "drain": "Make the running gateway finish what it has, and end.",
        "log-level": "Show or change which lines the running gateway logs.",
    },
    "Tools": {
        "call": "Send one request to a service, straight over frames.",
        "doctor": "Look for what is wrong here, and say what to do.",
        "bench": "Load a gateway or a service, and tell how long it takes.",
        "completion": "Have a shell complete commands and flags.",
        "man": "Show or install the manual page.",
        "cert": "Make a certificate for development.",
        "key": "Make an API key.",
    },
}
COMMANDS = {name: words for section in SECTIONS.values() for name, words in section.items()}


class LazyGroup(click.Group):
    """A group whose commands are modules beside this one, each with a ``command``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command, or None when there is no such."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"proxy.cli.{cmd_name.replace('-', '_')}").command
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return the commands that begin so, from the table above."""
        from .completing import complete_group

        return complete_group(self, COMMANDS, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the lists of commands from the table above, their helps one below the other."""
        width = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), words) for name, words in commands.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="penstock", message="%(prog)s %(version)s")
def command() -> None:
    """Penstock: HTTP/1.1 at the edge, services behind a multiplexed frame protocol.

    \b
    Try it:    penstock demo
    Run it:    penstock serve --config penstock.yaml
    """  # noqa: D301 - \b is for click, which keeps the lines of such a paragraph


def main() -> None:
    """Run the command; the entry point of the distribution."""
    command(prog_name="penstock")


if __name__ == "__main__":
    main()
