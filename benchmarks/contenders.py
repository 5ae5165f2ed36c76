"""Who contends: each function starts one contender with what stands behind it, and checks that it answers."""

import http.client
from contextlib import ExitStack

from benchmarks import gateway, rivals
from benchmarks.certificate import certificate
from benchmarks.gateway import ANSWERING, SINKING, STREAMING, Offer
from benchmarks.rounds import Contender, Open, Plan
from benchmarks.servers import fetch
from benchmarks.tools import NotMeasured
from benchmarks.work import INVOICE_BODY, INVOICE_PATH

SMALL_DOWNLOAD_PATH = "/downloads/1"
SMALL_DOWNLOAD_BYTES = 1 << 20


def nginx(stack: ExitStack, plan: Plan) -> Contender:
    """Start nginx before nginx."""
    upstream = rivals.nginx_upstream(stack, plan.cores.load, plan.folder)
    server, port = rivals.nginx_proxy(stack, upstream, plan.cores.tested, plan.folder)
    return _answering(Contender(port, (server,)))


def nginx_tls(stack: ExitStack, plan: Plan) -> Contender:
    """Start nginx with TLS before nginx without."""
    upstream = rivals.nginx_upstream(stack, plan.cores.load, plan.folder)
    server, port = rivals.nginx_tls_proxy(stack, upstream, plan.cores.tested, plan.folder, certificate(plan.folder))
    return _answering(Contender(port, (server,), is_tls=True))


def haproxy(stack: ExitStack, plan: Plan) -> Contender:
    """Start HAProxy before nginx."""
    upstream = rivals.nginx_upstream(stack, plan.cores.load, plan.folder)
    server, port = rivals.haproxy(stack, upstream, plan.cores.tested, plan.folder)
    return _answering(Contender(port, (server,)))


def nginx_uvicorn(stack: ExitStack, plan: Plan) -> Contender:
    """Start nginx before uvicorn, both on the core under test."""
    application, upstream = rivals.uvicorn(stack, plan.cores.tested, plan.folder)
    server, port = rivals.nginx_proxy(stack, upstream, plan.cores.tested, plan.folder)
    return _answering(Contender(port, (server, application)))


def hypercorn(stack: ExitStack, plan: Plan) -> Contender:
    """Start Hypercorn on Trio, which answers by itself."""
    server, port = rivals.hypercorn(stack, plan.cores.tested, plan.folder)
    return _answering(Contender(port, (server,)))


def nginx_unbuffered(large_buffers: bool) -> Open:
    """Return how to start nginx, buffering off, before the HTTP server for large bodies."""

    def start(stack: ExitStack, plan: Plan) -> Contender:
        upstream = rivals.body_upstream(stack, plan.cores.load, plan.folder)
        server, port = rivals.nginx_unbuffered_proxy(
            stack, upstream, plan.cores.tested, plan.folder, large_buffers=large_buffers
        )
        return _streaming(Contender(port, (server,)))

    return start


def penstock(stack: ExitStack, plan: Plan) -> Contender:
    """Start the gateway before the service in C."""
    return _answering(_penstock(stack, plan, ANSWERING))


def penstock_sinking(stack: ExitStack, plan: Plan) -> Contender:
    """Start the gateway before the service in C, whose endpoint for POST streams."""
    return _answering(_penstock(stack, plan, SINKING))


def penstock_streaming(stack: ExitStack, plan: Plan) -> Contender:
    """Start the gateway before the service in C, for large bodies."""
    return _streaming(_penstock(stack, plan, STREAMING))


def penstock_tls(stack: ExitStack, plan: Plan) -> Contender:
    """Start the gateway with TLS before the service in C."""
    started = gateway.gateway(stack, plan.cores.tested, plan.folder, certificate(plan.folder))
    gateway.frame_upstream(stack, started, plan.cores.load, plan.folder, ANSWERING)
    return _answering(Contender(started.tls_port, (started.server,), is_tls=True))


def penstock_with_service(handler: str) -> Open:
    """Return how to start the gateway before the service in Python, both on the core under test."""

    def start(stack: ExitStack, plan: Plan) -> Contender:
        started = gateway.gateway(stack, plan.cores.tested, plan.folder)
        service = gateway.python_service(stack, started, handler, plan.cores.tested, plan.folder)
        return _answering(Contender(started.edge_port, (started.server, service)))

    return start


def nginx_uvicorn_fastapi(stack: ExitStack, plan: Plan) -> Contender:
    """Start nginx before FastAPI on uvicorn, both on the core under test."""
    application, upstream = rivals.uvicorn(stack, plan.cores.tested, plan.folder, "benchmarks.fastapi_app:app")
    server, port = rivals.nginx_proxy(stack, upstream, plan.cores.tested, plan.folder)
    return _answering(Contender(port, (server, application)))


def penstock_with_fastapi(loop: str) -> Open:
    """Return how to start the gateway before FastAPI behind the ASGI bridge, both on the core under test."""

    def start(stack: ExitStack, plan: Plan) -> Contender:
        started = gateway.gateway(stack, plan.cores.tested, plan.folder)
        service = gateway.fastapi_service(stack, started, loop, plan.cores.tested, plan.folder)
        return _answering(Contender(started.edge_port, (started.server, service)))

    return start


def penstock_streaming_service(stack: ExitStack, plan: Plan) -> Contender:
    """Start the gateway before the service in Python for large bodies, which has the other core, and is not charged."""
    started = gateway.gateway(stack, plan.cores.tested, plan.folder)
    gateway.python_service(stack, started, "streams", plan.cores.load, plan.folder)
    return _streaming(Contender(started.edge_port, (started.server,)))


def _penstock(stack: ExitStack, plan: Plan, offers: tuple[Offer, ...]) -> Contender:
    started = gateway.gateway(stack, plan.cores.tested, plan.folder)
    gateway.frame_upstream(stack, started, plan.cores.load, plan.folder, offers)
    return Contender(started.edge_port, (started.server,))


def _answering(contender: Contender) -> Contender:
    """Return the contender when it answers the one GET with the very bytes that all must answer with."""
    status, kind, body = _fetched(contender, INVOICE_PATH)
    if (status, body) != (200, INVOICE_BODY) or not kind.startswith("application/json"):
        raise NotMeasured(f"{contender.charged[0].name} answers {status} {kind} {body[:100]!r}")
    return contender


def _streaming(contender: Contender) -> Contender:
    """Return the contender when a small download comes whole."""
    status, _, body = _fetched(contender, SMALL_DOWNLOAD_PATH)
    if (status, len(body)) != (200, SMALL_DOWNLOAD_BYTES):
        raise NotMeasured(f"{contender.charged[0].name} answers {status} with {len(body)} bytes: {body[:100]!r}")
    return contender


def _fetched(contender: Contender, path: str) -> tuple[int, str, bytes]:
    try:
        return fetch(contender.port, "GET", path, is_tls=contender.is_tls)
    except (OSError, http.client.HTTPException) as error:
        raise NotMeasured(f"{contender.charged[0].name}: {type(error).__name__}: {error}") from error
