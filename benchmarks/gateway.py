"""Penstock under test: the gateway as it is shipped, and behind it the frame upstream in C or the Python service."""

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import Server, free_port, wait_answering, wait_listening
from benchmarks.tools import ROOT, NotMeasured, compiled
from benchmarks.work import CREATE_PATH, INVOICE_BODY, INVOICE_PATH

_PYTHON_PATH = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that listens, and where."""

    server: Server
    edge_port: int
    services_port: int


def _command() -> list[str]:
    """Return the command installed beside this interpreter, or the module that it calls."""
    installed = Path(sys.executable).parent / "penstock"
    if installed.exists():
        return [str(installed), "serve"]
    if not (ROOT / "src" / "proxy" / "cli" / "main.py").exists():
        raise NotMeasured("there is no command penstock (make native)")
    return [sys.executable, "-m", "proxy.cli.main", "serve"]


def gateway(stack: ExitStack, core: int, folder: Path) -> Gateway:
    """Start ``penstock serve`` with its defaults on free ports."""
    edge, services, admin = free_port(), free_port(), free_port()
    environment = {
        **_PYTHON_PATH,
        "PENSTOCK_EDGE_LISTEN": f"127.0.0.1:{edge}",
        "PENSTOCK_SERVICES_LISTEN": f"127.0.0.1:{services}",
        "PENSTOCK_ADMIN_LISTEN": f"127.0.0.1:{admin}",
    }
    server = stack.enter_context(Server(f"penstock-{edge}", _command(), core, folder, environment))
    wait_listening(server, edge)
    wait_listening(server, services)
    return Gateway(server, edge, services)


def frame_upstream(stack: ExitStack, behind: Gateway, core: int, folder: Path) -> Server:
    """Connect the service in C, and wait until a request reaches it."""
    command = [str(compiled("frame_upstream")), str(behind.services_port), INVOICE_BODY.decode()]
    command += ["GET", "/invoices/{invoice_id}", "POST", CREATE_PATH]
    server = stack.enter_context(Server(f"frame-upstream-{behind.services_port}", command, core, folder))
    wait_answering([behind.server, server], behind.edge_port, INVOICE_PATH, INVOICE_BODY)
    return server


def python_service(stack: ExitStack, behind: Gateway, handler: str, core: int, folder: Path) -> Server:
    """Connect the service in Python, with a ``def`` or an ``async`` handler, and wait until a request reaches it."""
    command = [sys.executable, "-m", "benchmarks.service_app", handler]
    environment = {**_PYTHON_PATH, "PENSTOCK_GATEWAYS": f"tcp://127.0.0.1:{behind.services_port}"}
    server = stack.enter_context(Server(f"service-{behind.services_port}", command, core, folder, environment))
    wait_answering([behind.server, server], behind.edge_port, INVOICE_PATH, INVOICE_BODY)
    return server
