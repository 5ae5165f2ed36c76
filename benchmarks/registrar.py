"""Services that register many endpoints and are never asked: what a gateway has beside the route that is measured.

Arguments: the gateway's port, and how many routes. Runs until it is ended.
"""

import socket
import sys
import time

from frames.codec import encode_frame
from frames.endpoint import EndpointOffer
from frames.frame import FrameType
from frames.greeting import PROTOCOL_VERSION, Hello, encode_hello

ROUTES_PER_SERVICE = 1_000
HEARTBEAT_MS = 60_000  # nothing more is said than HELLO: long enough not to be silent for a benchmark's time
KINDS = (
    "/part-{service}/exact-{route}",
    "/part-{service}/one-{route}/{{id}}",
    "/part-{service}/{{a}}/two-{route}/{{b}}",
)
"""Paths without parameters, with one at the end, and with several."""


def endpoints(service: int, count: int) -> tuple[EndpointOffer, ...]:
    """Return the endpoints of a service, the kinds of paths in turn."""
    return tuple(
        EndpointOffer(
            id=route,
            method="GET",
            path=KINDS[route % len(KINDS)].format(service=service, route=route),
            access="authenticated",
        )
        for route in range(count)
    )


def register(port: int, service: int, count: int) -> socket.socket:
    """Connect a service, say HELLO, and wait for WELCOME."""
    hello = Hello(
        protocol=PROTOCOL_VERSION,
        features=(),
        service=f"part-{service}",
        version="1.0.0",
        instance=f"part-{service}",
        heartbeat_ms=HEARTBEAT_MS,
        credit_bytes=0,
        endpoints=endpoints(service, count),
    )
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(encode_frame(FrameType.HELLO, 0, 0, encode_hello(hello)))
    answer = connection.recv(65_536)
    if answer[4] != FrameType.WELCOME:
        raise SystemExit(f"no WELCOME: {answer!r}")
    return connection


def main(port: int, count: int) -> None:
    """Register so many routes, and hold the connections."""
    held = [
        register(port, service, min(ROUTES_PER_SERVICE, count - at))
        for service, at in enumerate(range(0, count, ROUTES_PER_SERVICE))
    ]
    print(f"{count} routes of {len(held)} services are registered", flush=True)
    while True:
        time.sleep(1)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
