"""The operations that programs of fuzz_wire.c are made of, as bytes: the number of a case there, and its arguments."""

from collections.abc import Callable

ROOMY = bytes([15])
WIDE = bytes([31])
"""With output enough for somebody to wait for room."""
BOUNDED = bytes([15 + 32])
"""With bounds of each connection's requests, age and bytes."""
KEEPING = bytes([15 + 64])
"""With malformed heads held."""
TIGHT = bytes([0])

SEND_TO_FIRST, SEND_TO_SECOND, KEEP, ANSWER = 0b001, 0b011, 0b010, 0b000
"""What a step does with the first exchange: its low bit sends, the one above keeps it undecided."""


def connect(client: int) -> bytes:
    """Return the operation that connects a client."""
    return bytes([0, client])


def ask(client: int, which: int, cut: int = 0) -> bytes:
    """Return the operation by which a client sends one of the known requests, or its beginning."""
    return bytes([2, client, which, cut])


def raw(client: int, data: bytes) -> bytes:
    """Return the operation by which a client sends these bytes."""
    return bytes([3, client, len(data)]) + data


def fill(client: int, blocks: int) -> bytes:
    """Return the operation by which a client sends that many times 64 bytes of a body."""
    return bytes([4, client, blocks])


def half_close(client: int) -> bytes:
    """Return the operation by which a client ends its own direction."""
    return bytes([5, client])


def leave(client: int) -> bytes:
    """Return the operation by which a client closes."""
    return bytes([6, client])


def hear(client: int) -> bytes:
    """Return the operation by which a client reads."""
    return bytes([7, client, 255])


def join(service: int, dialled: bool = False) -> bytes:
    """Return the operation that connects a service."""
    return bytes([8, service | 96 * dialled])


def say(service: int, data: bytes) -> bytes:
    """Return the operation by which a service sends these bytes."""
    return bytes([9, service, len(data)]) + data


def respond(service: int, how: int = 7, size: int = 3) -> bytes:
    """Return the operations by which a service reads, and answers the oldest request in one of the known ways."""
    return bytes([13, service, 255, 10, service, how, size])


def argument(holds: Callable[[int], bool]) -> int:
    """Return an operation's first argument from which it reads what is wanted."""
    return next(value for value in range(256) if holds(value))


def frames(service: int, count: int, bits: int = 0) -> bytes:
    """Return the operation by which a service sends many small frames. bits: 1 for calls, 2 for ids of its own."""
    return bytes([11, argument(lambda value: value >> 6 == bits and value % 3 == service), count - 1])


def close(service: int, how: int) -> bytes:
    """Return the operation that ends a service's connection: 0 by the wire, 1 half, 2 whole."""
    return bytes([12, service, how])


def advance(a: int, b: int) -> bytes:
    """Return the operation that moves the clock by the product, in milliseconds."""
    return bytes([14, a, b])


def write(service: int, blocks: int) -> bytes:
    """Return the operation by which the wire writes a DATA frame."""
    return bytes([15, service, blocks])


def take(exchange: int) -> bytes:
    """Return the operation that takes an exchange's connection over."""
    return bytes([18, exchange])


def read(exchange: int) -> bytes:
    """Return the operation that reads a connection by hand."""
    return bytes([19, exchange, 255])


def reply(exchange: int, size: int = 2) -> bytes:
    """Return the operation that answers by hand."""
    return bytes([20, exchange, size])


def give_back(exchange: int, how: int = 0) -> bytes:
    """Return the operation that gives a connection back: 0 kept, 1 lingering, 2 closed, 3 reset."""
    return bytes([21, exchange, how])


def hand_in(exchange: int, time: int = 100) -> bytes:
    """Return the operation that leaves the answer to the wire."""
    return bytes([22, exchange, time])


def open_stream(exchange: int, service: int = 0, how: int = 4, size: int = 1) -> bytes:
    """Return the operation that opens a stream. how: bit 0 whole, 3 a field, 4 a length, 5 an upgrade; 0xE0: wrong."""
    a = argument(lambda value: value % 6 == exchange and (value >> 4) % 3 == service)
    return bytes([23, a, how, size])


def stream(service: int, which: int, size: int = 1) -> bytes:
    """Return the operations by which a service reads, and sends one frame of a stream."""
    return bytes([13, service, 255, 24, service, which, size])


def fill_service(service: int) -> bytes:
    """Return the operation by which the wire writes as much as one DATA frame holds."""
    return bytes([25, argument(lambda value: value >= 128 and value % 3 == service), 255])


def begin(method: int = 1) -> bytes:
    """Return the operation that begins an exchange of the caller's own."""
    return bytes([26, method])


def context(exchange: int, which: int, size: int = 2) -> bytes:
    """Return the operation that sets a text: 0 the tenant, 1 the address, 2 the tracestate, 3 the scheme."""
    return bytes([27, exchange, which, size])


def end(exchange: int) -> bytes:
    """Return the operation that ends an exchange of the caller's own."""
    return bytes([28, exchange])


def take_over(exchange: int) -> bytes:
    """Return the operation that takes a connection over whose answer has turned out to stream."""
    return bytes([29, exchange])


def want_room(service: int) -> bytes:
    """Return the operation that asks for room."""
    return bytes([25, service])


def hold_back(exchange: int) -> bytes:
    """Return the operation that keeps a request without sending it."""
    return bytes([30, exchange])


def again(exchange: int, service: int = 1, how: int = 0b110000, attempt: int = 2) -> bytes:
    """Return the operation that sends what is kept again."""
    return bytes([31, exchange | service << 4, how, attempt])


def branch(exchange: int) -> bytes:
    """Return the operation that makes an exchange with what is kept of another."""
    return bytes([32, exchange])


def wait(exchange: int, milliseconds: int) -> bytes:
    """Return the operation that sets an exchange's timer."""
    return bytes([33, exchange, milliseconds])


def pass_on(exchange: int, size: int = 2) -> bytes:
    """Return the operation that answers with a RESPONSE of before."""
    return bytes([34, exchange, size])


def outlive(exchange: int) -> bytes:
    """Return the operation that lets what was sent go on without its client."""
    return bytes([35, exchange])


def hold_accepting(holds: bool = True) -> bytes:
    """Return the operation that holds accepting, or goes on with it."""
    return bytes([36, 128 * holds])


def knock(client: int) -> bytes:
    """Return the operation by which a client comes to where the wire listens."""
    return bytes([36, argument(lambda value: value >> 6 == 1 and value % 4 == client)])


def step(how: int = ANSWER) -> bytes:
    """Return the operation that steps, decides and flushes."""
    return bytes([17, how])


DRAIN = bytes([16, 255, 0])
SLOW_DRAIN = bytes([16, 255, 100])
AWAY = step(KEEP) + take(0)
DATA, LAST_DATA, TRAILERS, CREDIT, ABORTED, HEAD, INTERIM, SWITCHED = range(8)
OPENED = ask(0, 7) + AWAY + open_stream(0) + step(KEEP)
IN_FLIGHT = ask(0, 0) + step(SEND_TO_FIRST)
STREAMING = ask(0, 0) + step(0b1101)
"""Sent as a plain request, to who may stream."""
SENT_AND_KEPT = join(1, True) + ask(0, 1) + step(0b1100001)
"""By the first service, with its failure held."""
FAILED = SENT_AND_KEPT + respond(0, 8) + step(KEEP)
HEADED = STREAMING + stream(0, HEAD) + step(KEEP)
TAKEN = HEADED + take_over(0)
TAKEN_EARLY = stream(0, INTERIM) + step(KEEP) + take_over(0)
LATE = advance(60, 1) + step(KEEP)
LET_GO = step(KEEP) + reply(0) + stream(0, LAST_DATA) + step(KEEP) + give_back(0) + (step() + hear(0)) * 3
SENT_ELSEWHERE = step(KEEP) + context(0, 1) + open_stream(0, 1, how=5) + hand_in(0) + respond(1) + step(KEEP) + hear(0)
PUT = b"PUT /b HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc"
