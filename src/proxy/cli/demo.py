"""`penstock demo`: the gateway and an example service in one terminal, ended together by Ctrl-C.

The gateway runs in this process; the service runs in a child, as a real one would, in a session of its own so that
Ctrl-C reaches only this process, which then ends the child by its process id. Should this process be killed, the
child's stdin ends, and with it the child.
"""

import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import click
import msgspec
import trio

from penstock.settings import Address, Loaded, LogSettings
from proxy.process.serving import start_logs

from .. import __version__
from ..config import GatewayConfig
from .failures import DemoError, failures_explained
from .options import SettingsCommand, load_settings

if TYPE_CHECKING:
    from proxy.gateway.app import Addresses

DRAIN_MS = 500  # in the demo nobody waits for an answer that is worth more
CHILD_END_S = 0.7
READY_WITHIN_S = 20.0
READY_POLL_S = 0.05
PATH = "/invoices/42"


@click.command(cls=SettingsCommand, short_help="Run the gateway and an example service.")
@click.pass_context
def command(ctx: click.Context, /, **_: object) -> None:
    """Run the gateway and an example service in this terminal, until Ctrl-C."""
    with failures_explained():
        loaded = for_demo(load_settings(ctx))
        logs = start_logs(loaded)
        try:
            trio.run(run_demo, loaded)
        except* KeyboardInterrupt:
            pass  # the way to end it, before the gateway listens for signals
        finally:
            logs.close()


def for_demo(loaded: Loaded[GatewayConfig]) -> Loaded[GatewayConfig]:
    """Return settings with a short drain, and a log that leaves the banner to be seen unless a level was asked for."""
    config = loaded.settings
    quiet = loaded.origins["log.level"] == "default"
    config = msgspec.structs.replace(
        config,
        drain=msgspec.structs.replace(config.drain, timeout_ms=min(config.drain.timeout_ms, DRAIN_MS)),
        log=LogSettings(level="warning", format=config.log.format) if quiet else config.log,
    )
    return msgspec.structs.replace(loaded, settings=config)


async def run_demo(loaded: Loaded[GatewayConfig]) -> None:
    """Run gateway and service until a signal ends the gateway; whatever ends one ends both.

    The service starts when the gateway has its ports: it would else dial whatever has them.
    """
    async with trio.open_nursery() as nursery:
        addresses: Addresses = await nursery.start(_run_gateway, loaded, nursery.cancel_scope)
        nursery.start_soon(run_service, service_environment(loaded.settings, reachable(addresses.services)))
        nursery.start_soon(greet, addresses)


async def _run_gateway(  # noqa: ASYNC128 - `serve` calls started
    loaded: Loaded[GatewayConfig], demo: trio.CancelScope, *, task_status: "trio.TaskStatus[Addresses]"
) -> None:
    from proxy.process.running import Sources, serve

    await serve(Sources(loaded, lambda: loaded), task_status=task_status)
    demo.cancel()


async def run_service(environment: dict[str, str]) -> None:
    """Run the example service as a child. It should never end by itself."""
    line = [sys.executable, "-P", "-m", "proxy.cli.demo_service"]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(
            partial(
                trio.run_process,
                line,
                stdin=subprocess.PIPE,  # never written to: it ends when this process does
                env=environment,
                start_new_session=True,
                check=False,
                deliver_cancel=end_child,
            )
        )
        status = await process.wait()
    raise DemoError(f"the example service ended by itself, with status {status}; what it wrote above says why")


async def end_child(process: trio.Process) -> None:
    """Ask the child to end, and end it when it takes too long."""
    process.terminate()
    with trio.move_on_after(CHILD_END_S):
        await process.wait()
        return
    process.kill()


def service_environment(config: GatewayConfig, gateway: Address) -> dict[str, str]:
    """Return the environment of the example service: this one's, with the demo's gateway and token."""
    others = ("PENSTOCK_SERVICE_", "PENSTOCK_GATEWAYS")
    own = {name: text for name, text in os.environ.items() if not name.startswith(others)}
    own["PENSTOCK_GATEWAYS"] = f"tcp://{gateway}"
    own["PENSTOCK_SERVICE_DRAIN"] = f"{DRAIN_MS}ms"
    own["PENSTOCK_LOG_LEVEL"] = config.log.level
    if config.services.token:
        own["PENSTOCK_SERVICE_TOKEN"] = config.services.token.reveal()
    return own


def reachable(listened: tuple[str, int]) -> Address:
    """Return the address to dial for one that is listened on: loopback, where that is every address."""
    address = Address(*listened)
    return Address("::1" if ":" in address.host else "127.0.0.1", address.port) if address.is_wildcard else address


async def greet(addresses: "Addresses") -> None:
    """Write the banner as soon as a request goes all the way."""
    with trio.move_on_after(READY_WITHIN_S):
        await _wait_answered(reachable(addresses.edge))
        click.echo(banner(addresses))
        return
    raise DemoError(f"no answer from the example service within {READY_WITHIN_S:.0f} s; what is written above says why")


async def _wait_answered(edge: Address) -> None:
    while True:
        if await _answers(edge):
            return
        await trio.sleep(READY_POLL_S)


async def _answers(edge: Address) -> bool:
    """Ask for the demo's path once; True for a 200."""
    try:
        async with await trio.open_tcp_stream(edge.host, edge.port) as stream:
            await stream.send_all(f"GET {PATH} HTTP/1.1\r\nHost: {edge}\r\nConnection: close\r\n\r\n".encode())
            return (await stream.receive_some()).startswith(b"HTTP/1.1 200")
    except (OSError, trio.BrokenResourceError):
        return False


def banner(addresses: "Addresses") -> str:
    """Return what a person needs to try it."""
    edge, services, admin = map(reachable, addresses)
    return f"""
Penstock {__version__} is ready.

    edge      http://{edge}    clients come in here
    admin     http://{admin}    what it does now, in a browser; /health, /ready, /metrics
    services  tcp://{services}     services dial in here

Try it from another terminal:

    curl -i http://{edge}{PATH}
    curl -i -H 'content-type: application/json' -d '{{"amount": 12}}' http://{edge}/invoices

Ctrl-C ends it.
"""
