"""`penstock serve`: runs the gateway until a signal ends it."""

import logging

import click

from penstock.settings import Loaded
from penstock.telemetry.logs import Logs, set_up_logs

from ..config import GatewayConfig
from .failures import failures_explained
from .options import SettingsCommand, load_settings

logger = logging.getLogger("penstock")


@click.command(cls=SettingsCommand, short_help="Run the gateway.")
@click.pass_context
def command(ctx: click.Context, /, **_: object) -> None:
    """Run the gateway. A flag counts before its variable, a variable before the file, the file before the default."""
    with failures_explained():
        loaded = load_settings(ctx)
        logs = start_logs(loaded)
        try:
            run_gateway(loaded.settings)
        finally:
            logs.close()


def start_logs(loaded: Loaded[GatewayConfig]) -> Logs:
    """Set up logs for these settings, and log what is odd about them."""
    logs = set_up_logs(loaded.settings.log, [loaded.settings.services.token])
    for warning in loaded.warnings:
        logger.warning("%s", warning)
    return logs


def run_gateway(config: GatewayConfig) -> None:
    """Run the gateway until a signal ends it."""
    import trio

    from ..running import serve

    trio.run(serve, config)
