"""`penstock workers`: the processes of the running gateway. Without a sub-command it lists them."""

import click

from .subcommands import SubcommandGroup

# Helps stand here, so that listing the sub-commands imports none of them.
COMMANDS = {
    "list": "List the processes that serve, and how they are.",
    "restart": "Put new processes in the place of those that serve.",
}
MODULES = {name: f"proxy.cli.workers_{name}" for name in COMMANDS}


@click.group(
    cls=SubcommandGroup,
    helps=COMMANDS,
    modules=MODULES,
    short_help="Look after the processes of the running gateway.",
)
def command() -> None:
    """Look after the processes of the running gateway. Without a command, they are listed.

    Exits with 0 when all went well, with 1 when the gateway cannot be asked or refuses.
    """
