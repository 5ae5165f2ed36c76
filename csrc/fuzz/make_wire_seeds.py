"""Writes the seeds of fuzz_wire.c: ``python csrc/fuzz/make_wire_seeds.py``.

A seed is a program: one byte of settings, then operations, each the number of its case in fuzz_wire.c and its
arguments.
"""

from pathlib import Path

SEEDS = Path(__file__).resolve().parent / "seeds/wire"
ROOMY = bytes([15])
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


def frames(service: int, count: int) -> bytes:
    """Return the operation by which a service sends many small frames."""
    return bytes([11, service, count - 1])


def close(service: int, how: int) -> bytes:
    """Return the operation that ends a service's connection: 0 by the wire, 1 half, 2 whole."""
    return bytes([12, service, how])


def advance(a: int, b: int) -> bytes:
    """Return the operation that moves the clock by the product, in milliseconds."""
    return bytes([14, a, b])


def write(service: int, blocks: int) -> bytes:
    """Return the operation by which the wire writes a DATA frame."""
    return bytes([15, service, blocks])


def step(how: int = ANSWER) -> bytes:
    """Return the operation that steps, decides and flushes."""
    return bytes([17, how])


DRAIN = bytes([16, 255])
IN_FLIGHT = ask(0, 0) + step(SEND_TO_FIRST)
PUT = b"PUT /b HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc"

PROGRAMS = {
    "there_and_back": ROOMY + (IN_FLIGHT + respond(0) + step() + hear(0)) * 2,
    "answered_here": ROOMY + ask(0, 1) + step() + hear(0) + ask(0, 2) + step() + hear(0) + ask(0, 3) + step() + hear(0),
    "pipelined": ROOMY + ask(0, 4) + step(SEND_TO_FIRST) + (respond(0) + step(SEND_TO_FIRST)) * 3 + hear(0),
    "in_pieces": ROOMY + raw(0, PUT[:10]) + step() + raw(0, PUT[10:40]) + step() + raw(0, PUT[40:]) + step() + hear(0),
    "large_body": ROOMY + ask(0, 5) + (fill(0, 100) + step()) * 4 + step() + hear(0),
    "read_ahead": ROOMY
    + ask(0, 5)
    + fill(0, 255)
    + fill(0, 60)
    + step(KEEP)
    + ask(0, 5)
    + fill(0, 255) * 3
    + step() * 4,
    "bad_requests": TIGHT
    + raw(0, b"\x16\x03\x01")
    + step()
    + connect(1)
    + ask(1, 6)
    + step()
    + connect(2)
    + ask(2, 7)
    + step(),
    "half_closed": ROOMY + IN_FLIGHT + half_close(0) + step(KEEP) + step() + respond(0) + step(),
    "head_and_end": ROOMY + ask(0, 0, 9) + half_close(0) + step() + connect(1) + ask(1, 0) + leave(1) + step(),
    "expired": ROOMY + IN_FLIGHT + advance(50, 1) + step() + respond(0) + step() + hear(0),
    "timeouts": ROOMY + ask(0, 0, 9) + step() + connect(1) + ask(1, 5) + step() + advance(30, 100) + step() * 2,
    "lost": ROOMY + connect(1) + IN_FLIGHT + ask(1, 0) + step(SEND_TO_FIRST) + close(0, 2) + step() + hear(0) + hear(1),
    "closed_by_wire": ROOMY + IN_FLIGHT + close(0, 0) + step() + join(0) + IN_FLIGHT + close(0, 1) + step(),
    "responses": ROOMY
    + b"".join(ask(0, 0) + step(1) + respond(0, how) + step() + respond(0) + step() for how in range(8)),
    "two_services": ROOMY
    + join(1, True)
    + connect(1)
    + ask(0, 0)
    + step(SEND_TO_SECOND)
    + respond(1, 2)
    + respond(1)
    + step(),
    "no_more_exchanges": TIGHT + b"".join(connect(i) + ask(i, 0) for i in range(4)) + step(0xFF) + step() * 2,
    "full_service": TIGHT + write(0, 9) * 2 + IN_FLIGHT + respond(0) + step(),
    "slow_client": ROOMY + ask(0, 0) + step(0b11111000) + step() + hear(0) + step() + advance(200, 2) + step(),
    "many_frames": ROOMY + frames(0, 256) * 3 + step() * 3,
    "calls": ROOMY + frames(128 | 1, 5) + join(1) + frames(129, 200) + step(),
    "broken_frame": ROOMY + IN_FLIGHT + say(0, b"GET / HTTP/1.1\r\n\r\n") + step() + step(),
    "large_frame": ROOMY
    + say(0, bytes.fromhex("00000800 06010000 0000000000000001"))
    + say(0, bytes(200))
    + step()
    + close(0, 2),
    "drained": ROOMY + connect(1) + IN_FLIGHT + ask(1, 0, 5) + step(KEEP) + DRAIN + respond(0) + step() + hear(0),
}


def main() -> None:
    """Write them all."""
    SEEDS.mkdir(parents=True, exist_ok=True)
    for name, program in PROGRAMS.items():
        (SEEDS / name).write_bytes(program)


if __name__ == "__main__":
    main()
