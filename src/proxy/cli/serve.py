"""`penstock serve`: runs the gateway until a signal ends it."""

import logging
from collections.abc import Callable
from pathlib import Path

import click

from penstock.settings import Loaded
from penstock.telemetry.logs import Logs, set_up_logs

from ..config import GatewayConfig
from .failures import failures_explained
from .options import SettingsCommand, config_path, settings_loader

logger = logging.getLogger("penstock")


@click.command(cls=SettingsCommand, short_help="Run the gateway.")
@click.pass_context
def command(ctx: click.Context, /, **_: object) -> None:
    """Run the gateway. A flag counts before its variable, a variable before the file, the file before the default."""
    with failures_explained():
        load = settings_loader(ctx)
        loaded = load()
        logs = start_logs(loaded)
        try:
            run_gateway(loaded, load, config_path(ctx))
        finally:
            logs.close()


def start_logs(loaded: Loaded[GatewayConfig]) -> Logs:
    """Set up logs for these settings, and log what is odd about them."""
    logs = set_up_logs(loaded.settings.log, [loaded.settings.services.token, loaded.settings.admin.token])
    for warning in loaded.warnings:
        logger.warning("%s", warning)
    return logs


def run_gateway(loaded: Loaded[GatewayConfig], load: Callable[[], Loaded[GatewayConfig]], path: Path | None) -> None:
    """Run the gateway until a signal ends it. load: reads the settings again; path: of their file, to be watched."""
    import trio

    from ..running import Sources, serve

    trio.run(serve, Sources(loaded, load, path))
