"""`penstock serve`: checks the settings, and becomes the process that serves."""

import os
import sys

import click

from proxy.process.serving import SERVING, SUPERVISING, command_line

from ..config.workers import workers_of
from .failures import failures_explained
from .options import SettingsCommand, config_path, given_flags, load_settings


@click.command(cls=SettingsCommand, short_help="Run the gateway.")
@click.pass_context
def command(ctx: click.Context, /, **_: object) -> None:
    """Run the gateway. A flag counts before its variable, a variable before the file, the file before the default."""
    with failures_explained():
        workers = workers_of(load_settings(ctx).settings)
    become(command_line(config_path(ctx), given_flags(ctx), SUPERVISING if workers else SERVING))


def become(words: list[str]) -> None:
    """Run another program in this process: its id, its descriptors and its environment stay."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(words[0], words)  # noqa: S606 - our own Python
