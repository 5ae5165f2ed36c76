"""Writes the seeds of fuzz_wire_tls: short programs that take a connection through what it can live through.

    python csrc/fuzz/make_wire_tls_seeds.py

The numbers are those of `operate` and `say_request` in fuzz_wire_tls.c.
"""

from pathlib import Path

FOLDER = Path(__file__).parent / "seeds" / "wire_tls"

GET, PUT, TWO, LAST, CHUNKED, BAD, LARGE, GARBAGE = range(8)
ALL_AT_ONCE, IN_SMALL_RECORDS = 0, 64 + 2


def opened(client: int = 0) -> bytes:
    return bytes([0, client])


def said(which: int, client: int = 0, cut: int = 0) -> bytes:
    return bytes([1, client, which, cut])


def body(count: int, client: int = 0) -> bytes:
    """70 bytes for each."""
    return bytes([3, client + 5 * count])


def step(how: int = ALL_AT_ONCE) -> bytes:
    return bytes([16, how])


def answered(size: int, exchange: int = 0) -> bytes:
    """An odd size closes; from 128 on it counts for 200 bytes each, and 254 for a MiB."""
    return bytes([6, exchange, size])


def sealed(how: int = 0) -> bytes:
    return bytes([8, how])


def heard(client: int = 0) -> bytes:
    return bytes([5, client, 255])


def gone(client: int = 0, *, half: bool = False) -> bytes:
    return bytes([4, client + 130 if half else client])


def passed(milliseconds: int) -> bytes:
    return bytes([13, milliseconds])


HANDED_OVER, GIVEN_BACK, FORGOTTEN, DRAINED, SECURED, ENDED = (
    bytes([11, 0]),
    bytes([12, 0]),
    bytes([9, 255]),
    bytes([14, 255, 0]),
    bytes([15, 0]),
    bytes([10, 0]),
)
ONE = opened() + said(GET) + step() + answered(20) + sealed() + heard()

SEEDS = {
    "there_and_back": ONE + said(PUT) + step() + answered(30) + sealed() + heard(),
    "small_records": opened() + said(PUT) + step(IN_SMALL_RECORDS) + answered(20) + sealed(1) + heard(),
    "pipelined": opened() + said(TWO) + step() + (answered(8) + sealed() + step()) * 2 + heard(),
    "last": opened() + said(LAST) + step() + answered(20) + sealed() + heard() + step(),
    "bad": opened() + said(BAD) + step() + step() + answered(20) + sealed() + heard() + said(GET) + step(),
    "garbage": opened() + said(GARBAGE) + step() + step() + answered(1) + sealed() + heard(),
    "in_pieces": opened() + said(GET, cut=5) + step() + said(GARBAGE) + step() + step() + answered(20) + sealed(),
    "large_body": opened() + said(LARGE) + step() + (body(50) + step()) * 8 + answered(20) + sealed() + heard(),
    "read_ahead": opened() + said(GET) + step() + (body(50) + step()) * 8 + answered(20) + sealed() + step() + heard(),
    "large_answer": opened() + said(GET) + step() + answered(250) + sealed() + (step() + heard()) * 10,
    "slow_reader": opened() + said(GET) + step() + answered(250) + sealed() + passed(200) * 2 + step(),
    "more_than_memory": b"".join(opened(c) + said(GET, c) for c in range(5))
    + step()
    + b"".join(answered(254, x) for x in range(5))
    + gone(3)
    + step()
    + sealed(2)
    + sealed(),
    "handshake_timeout": opened() + opened(1) + said(GET, 1, 1) + passed(250) + step() + step(),
    "goodbye": ONE + passed(250) * 2 + step() + sealed() + step(),
    "goodbye_unsaid": ONE + passed(250) * 2 + step() + said(GET) + step() + passed(100) + step() + step(),
    "drained": ONE + opened(1) + said(GET, 1) + step() + DRAINED + answered(20) + sealed() + step() + step(),
    "ended": ONE + ENDED + step() + opened(1) + said(GET, 1) + step() + ENDED + step() + step(),
    "forgotten": opened() + said(GET) + step() + answered(20) + FORGOTTEN + passed(200) * 2 + step() + step(),
    "leaves": ONE + said(GET) + step() + gone() + step() + step(),
    "half_closed": ONE + said(GET) + gone(half=True) + step() + step() + sealed(),
    "kept": opened() + said(CHUNKED) + step() + HANDED_OVER + GIVEN_BACK + bytes([4 + 28]) + step() + step(),
    "lingers_away": opened() + said(CHUNKED) + step() + HANDED_OVER + GIVEN_BACK + b"\1" + step() + gone() + step(),
    "kept_into_a_drain": opened()
    + said(CHUNKED)
    + step()
    + HANDED_OVER
    + DRAINED
    + GIVEN_BACK
    + b"\0"
    + sealed()
    + step(),
    "secured": opened() + said(GET, cut=1) + step() + SECURED + passed(250) + step() + sealed() + step(),
}


def main() -> None:
    """Write every seed, with the settings' byte first."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, program in SEEDS.items():
        (FOLDER / name).write_bytes(b"\7" + program)


if __name__ == "__main__":
    main()
