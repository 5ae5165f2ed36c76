"""Penstock under test: the gateway as it is shipped, and behind it the frame upstream in C or the Python service."""

import compileall
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from benchmarks.certificate import Certificate
from benchmarks.servers import Server, free_port, wait_answering, wait_listening
from benchmarks.tools import ROOT, NotMeasured, compiled, rival_python
from benchmarks.work import CREATE_PATH, DOWNLOADS_PATH, INVOICE_BODY, INVOICE_PATH, STALLED_PATH, UPLOADS_PATH

_PYTHON_PATH = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that listens, and where."""

    server: Server
    edge_port: int
    services_port: int
    tls_port: int = 0
    admin_port: int = 0


Offer: TypeAlias = tuple[str, str, str]
"""An endpoint of the service in C: method, path, and what it does with a request (see ``frame_upstream.c``)."""

_INVOICE: Offer = ("GET", "/invoices/{invoice_id}", "answer")
ANSWERING: tuple[Offer, ...] = (_INVOICE, ("POST", CREATE_PATH, "answer"))
SINKING: tuple[Offer, ...] = (_INVOICE, ("POST", CREATE_PATH, "sink"))
STREAMING: tuple[Offer, ...] = (
    _INVOICE,
    ("GET", DOWNLOADS_PATH, "source"),
    ("POST", UPLOADS_PATH, "sink"),
    ("POST", STALLED_PATH, "stall"),
)

# The rivals are told to keep connections as well: what is measured is not how they are made.
_UNBOUNDED = {"PENSTOCK_EDGE_CONNECTION_REQUESTS": "0", "PENSTOCK_EDGE_CONNECTIONS_PER_ADDRESS": "0"}


def _command() -> list[str]:
    """Return the command installed beside this interpreter, or the module that it calls."""
    installed = Path(sys.executable).parent / "penstock"
    if installed.exists():
        return [str(installed), "serve"]
    if not (ROOT / "src" / "proxy" / "cli" / "main.py").exists():
        raise NotMeasured("there is no command penstock (make native)")
    return [sys.executable, "-m", "proxy.cli.main", "serve"]


@cache
def _compile_modules() -> None:
    """Compile the modules, as installing the package does: who compiles them while starting holds 1 MiB more for it."""
    compileall.compile_dir(ROOT / "src", quiet=2)


def gateway(
    stack: ExitStack,
    core: int,
    folder: Path,
    certificate: Certificate | None = None,
    settings: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Gateway:
    """Start ``penstock serve`` with its defaults on free ports; with a certificate, for clients by TLS as well.

    settings: of a file; variables: of the environment, above all others.
    """
    _compile_modules()
    edge, services, admin, tls = free_port(), free_port(), free_port(), free_port() if certificate else 0
    environment = {
        **_PYTHON_PATH,
        **_UNBOUNDED,
        "PENSTOCK_WORKERS": "0",  # each case says what one core does, unless it is about workers
        "PENSTOCK_EDGE_LISTEN": f"127.0.0.1:{edge}",
        "PENSTOCK_SERVICES_LISTEN": f"127.0.0.1:{services}",
        "PENSTOCK_ADMIN_LISTEN": f"127.0.0.1:{admin}",
        **(variables or {}),
    }
    command = _command() + (["--config", str(settings)] if settings else [])
    if certificate:
        environment["PENSTOCK_EDGE_TLS_LISTEN"] = f"127.0.0.1:{tls}"
        environment["PENSTOCK_EDGE_TLS_CERTIFICATES"] = f"{certificate.certificate}:{certificate.key}"
    server = stack.enter_context(Server(f"penstock-{edge}", command, core, folder, environment))
    for port in (edge, services, tls):
        if port:
            wait_listening(server, port)
    return Gateway(server, edge, services, tls, admin)


def _upstream_program() -> Path:
    sources = ("frame_link.c", "frame_streams.c", "frame_work.c")
    return compiled("frame_upstream", *(f"benchmarks/{source}" for source in sources), "csrc/frame.c")


def frame_upstream(
    stack: ExitStack,
    behind: Gateway,
    core: int,
    folder: Path,
    offers: tuple[Offer, ...],
    version: str = "1.4.0",
    headers: Mapping[str, str] | None = None,
    instance: str = "",
    work: tuple[int, int] | None = None,
) -> Server:
    """Connect the service in C, and wait until a request reaches it. headers: of that request; instance: its name;
    work: of endpoints that work, how many at once, and how many microseconds it takes on average.
    """
    command = [str(_upstream_program()), str(behind.services_port), INVOICE_BODY.decode(), *chain.from_iterable(offers)]
    environment = {"UPSTREAM_VERSION": version, "UPSTREAM_INSTANCE": instance or version}
    if work is not None:
        workers, work_us = work
        environment |= {"UPSTREAM_WORKERS": str(workers), "UPSTREAM_WORK_US": str(work_us)}
    name = f"frame-upstream-{behind.services_port}-{environment['UPSTREAM_INSTANCE']}"
    server = stack.enter_context(Server(name, command, core, folder, environment))
    wait_answering([behind.server, server], behind.edge_port, INVOICE_PATH, INVOICE_BODY, headers)
    return server


def python_service(stack: ExitStack, behind: Gateway, handler: str, core: int, folder: Path) -> Server:
    """Connect the service in Python, and wait until a request reaches it. handler: as ``service_app`` is told."""
    command = [sys.executable, "-m", "benchmarks.service_app", handler]
    environment = {**_PYTHON_PATH, "PENSTOCK_GATEWAYS": f"tcp://127.0.0.1:{behind.services_port}"}
    server = stack.enter_context(Server(f"service-{behind.services_port}", command, core, folder, environment))
    wait_answering([behind.server, server], behind.edge_port, INVOICE_PATH, INVOICE_BODY)
    return server


def fastapi_service(stack: ExitStack, behind: Gateway, loop: str, core: int, folder: Path) -> Server:
    """Connect FastAPI behind the ASGI bridge, with the packages that the rivals have. loop: trio or uvloop."""
    command = [rival_python(), "-m", "benchmarks.fastapi_app", loop]
    environment = {**_PYTHON_PATH, "PENSTOCK_GATEWAYS": f"tcp://127.0.0.1:{behind.services_port}"}
    server = stack.enter_context(Server(f"fastapi-{behind.services_port}", command, core, folder, environment))
    wait_answering([behind.server, server], behind.edge_port, INVOICE_PATH, INVOICE_BODY)
    return server
