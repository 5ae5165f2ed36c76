"""The generator of the load, as the runner starts it: `python -m loadtests.client --order FILE --out FILE`.

What it is told and what it says is ruled by `loadtests.order`. Exit code 0: it has told its counts; 1: it could not.
"""

import argparse
import os
import signal
import socket
import sys
from _thread import start_new_thread  # before gevent changes what threads are
from pathlib import Path
from types import FrameType
from typing import Final, Protocol

import msgspec

from loadtests.order import BEGIN, Order, Said, read_order
from loadtests.shape import Shape, ShapeError, read
from loadtests.shape.document import check_users
from proxy.loading.http_link import request_bytes
from proxy.loading.result import LoadError

from .target import TargetError
from .telling import Telling

PROBE_S: Final = 5.0
PROBE: Final = "GET /items/7"
HEAD_BYTES_MAX: Final = 65_536
INPUT: Final = 0


class Loop(Protocol):
    """What sends."""

    def run(self) -> None:
        """Send until the last phase has ended, or a signal comes, and tell the counts."""
        ...


class CannotError(Exception):
    """Nothing can be sent. Its text is one line, with the fix."""


def main() -> int:
    """Carry an order out."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.client", description="Generate load, as an order says.")
    parser.add_argument("--order", type=Path, required=True, help="what to send, and where to (loadtests/order.py)")
    parser.add_argument("--out", type=Path, required=True, help="where to write what came of it, as lines of JSON")
    given = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    try:
        with Telling(given.out) as telling:
            return _carry_out(given.order, telling)
    except OSError as error:
        print(f"loadtests.client: error: {given.out}: {error.strerror}", file=sys.stderr)
        return 1


def _carry_out(file: Path, telling: Telling) -> int:
    try:
        order = _read(file)
        shape = _shape_of(order)
        probe(order, shape)
        loop = _loop_of(order, shape, telling)
        telling.say(Said(ready=True))
        if not wait_for_begin(INPUT):
            return 1
        start_new_thread(end_with, (INPUT,))
        loop.run()
    except (CannotError, ShapeError, LoadError, TargetError) as error:
        telling.say(Said(error=str(error)))
        return 1
    except KeyboardInterrupt:  # before the first request
        telling.say(Said(requests=[]))
    return 0


def _loop_of(order: Order, shape: Shape, telling: Telling) -> Loop:
    """Return what sends. Only users need Locust, which changes how everything waits when it is imported."""
    if shape.loop == "open":
        from .open_loop import OpenLoop

        return OpenLoop(order, shape, telling)
    try:
        from .closed_loop import ClosedLoop
    except ImportError as error:
        raise CannotError(f"{error.name} is not there; pip install -e '.[dev]'") from None
    return ClosedLoop(order, shape, telling)


def _read(file: Path) -> Order:
    try:
        return read_order(file)
    except OSError as error:
        raise CannotError(f"{file} cannot be read: {error.strerror}; --order is a file of JSON") from None
    except msgspec.DecodeError as error:
        raise CannotError(f"{file} is no order: {error}; see loadtests/order.py") from None


def _shape_of(order: Order) -> Shape:
    shape = read(Path(order.shape))
    for phase in order.phases:
        shape.part(phase.name)
    if order.users and shape.loop == "open":
        raise CannotError(f"{order.shape} is an open loop, which has requests of its own; leave the users away")
    check_users(order.users, "users")
    return shape


def probe(order: Order, shape: Shape) -> None:
    """See that an edge of Penstock answers that takes the token. Raises `CannotError`. The run has not begun yet."""
    asks, expected = _probing(shape)
    method, _, target = asks.partition(" ")
    correlation_id = f"probe-{os.getpid():x}"
    headers = (*_token_of(order), ("connection", "close"), ("x-correlation-id", correlation_id))
    try:
        with socket.create_connection((order.edge.host, order.edge.port), PROBE_S) as connection:
            connection.sendall(request_bytes(method, target, str(order.edge), headers, b""))
            head = _head_from(connection)
    except OSError as error:
        why = error.strerror or str(error)
        raise CannotError(
            f"{order.edge} does not answer: {why}; is the gateway running, and is the address right?"
        ) from None
    if not head.startswith("HTTP/1."):
        raise CannotError(f"{order.edge} does not speak HTTP/1.1; give the address of the edge")
    if f"\r\nx-correlation-id: {correlation_id}\r\n" not in head.lower():
        raise CannotError(
            f"{order.edge} is no edge of Penstock, which would have told our x-correlation-id; give that of edge.listen"
        )
    status = head[9:12]
    if status in ("401", "403") and int(status) not in expected:
        has = "does not take the token" if order.token else "wants a token"
        raise CannotError(f"{order.edge} {has} ({status} for {asks}); give one that is good (--token-file)")


def _probing(shape: Shape) -> tuple[str, tuple[int, ...]]:
    """Return a request, and statuses that are right for it: of an open loop one of its own, else one that most send."""
    reading = [each for each in shape.requests if each.request.startswith("GET ")]
    return (reading[0].request, reading[0].expect) if reading else (PROBE, ())


def _head_from(connection: socket.socket) -> str:
    """Return the head of the answer, or what there is of it."""
    said = b""
    while b"\r\n\r\n" not in said and len(said) < HEAD_BYTES_MAX and (data := connection.recv(4096)):
        said += data
    return said.decode("latin-1")


def _token_of(order: Order) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {order.token}"),) if order.token else ()


def wait_for_begin(input_fd: int) -> bool:
    """Wait for the line that begins the run; False where the input has ended before."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(input_fd, 1)
        if not byte:
            return False
        line += byte
    return line == BEGIN


def end_with(input_fd: int) -> None:
    """End this process at once when whoever has started it has gone: then its input ends."""
    while os.read(input_fd, 1):
        pass
    os._exit(1)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
