"""Whatever the C scanner calls plain, h11 accepts with the same method, target, fields and body length.

Only this direction: the scanner is the stricter one. PENSTOCK_FUZZ_SECONDS makes it look for longer, with other seeds.
"""

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import h11
from http1_support import SEEDS, Head, find_end, scan_head
from hypothesis import example, given
from hypothesis import strategies as st

from frames._native import lib

CASES = 6_000
FUZZ_SECONDS = float(os.environ.get("PENSTOCK_FUZZ_SECONDS", "0"))
SPLICES = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"%",
        b"/",
        b"..",
        b"?",
        b"#",
        b"\x00",
        b"\x0b",
        b"\x7f",
        b"\x80",
        b",",
        b"0",
    ),
    *(b"\r\n ", b"Host: b\r\n", b"Content-Length: 3\r\n", b"Content-Length: 00", b"Transfer-Encoding: chunked\r\n"),
    *(b"Connection: close\r\n", b"X-Tenant-Id: b\r\n", b"HTTP/1.1", b"HTTP/1.0", b"GET ", b"X:", b"%2F", b"\r\n\r\n"),
]


def read_with_h11(data: bytes) -> Head:
    """Return what h11 makes of a request; raises h11.RemoteProtocolError where it refuses it."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    request = connection.next_event()
    assert isinstance(request, h11.Request), f"{request!r} for {data!r}"
    assert request.http_version == b"1.1"
    body_bytes = 0
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data), f"{event!r} for {data!r}"
        body_bytes += len(event.data)
    fields = tuple((bytes(name), bytes(value)) for name, value in request.headers)
    return Head("PLAIN", bytes(request.method), bytes(request.target), b"", fields, body_bytes, 0, body_bytes)


def is_plain_and_the_same(data: bytes) -> bool:
    """Assert that h11 agrees when the scanner calls what data begins with plain; say whether it did."""
    end = find_end(data)
    if end <= 0:
        return False
    head = scan_head(data[:end])
    if head.verdict != "PLAIN":
        return False
    expected = head._replace(path=b"", flags=0)
    assert read_with_h11(data[:end] + b"b" * head.body_bytes) == expected
    closes = any(name == b"connection" and b"close" in value.lower() for name, value in head.fields)
    assert bool(head.flags & lib.HEAD_CLOSE) == closes
    return True


def mutate(data: bytes, choose: random.Random, others: list[bytes]) -> bytes:
    """Return the request with one to three changes of the kinds that tell parsers apart."""
    for _ in range(choose.randint(1, 3)):
        at = choose.randint(0, len(data))
        to = min(len(data), at + choose.randint(0, 8))
        kind = choose.randrange(5)
        if kind == 0:
            data = data[:at] + choose.choice(SPLICES) + data[at:]
        elif kind == 1:
            data = data[:at] + data[to:]
        elif kind == 2:
            data = data[:at] + bytes([choose.randrange(256)]) + data[at + 1 :]
        elif kind == 3:
            data = data[:to] + data[at:to].swapcase() + data[to:]
        else:
            lines = choose.choice(others).split(b"\r\n")
            data = data.replace(b"\r\n", b"\r\n" + choose.choice(lines) + b"\r\n", 1)
    return data


def mutated(seeds: list[bytes], seed: int) -> Iterator[bytes]:
    choose = random.Random(seed)
    for _ in range(CASES):
        yield mutate(choose.choice(seeds), choose, seeds)


def test_seeds_and_what_is_made_of_them() -> None:
    seeds = [path.read_bytes() for path in sorted(Path(SEEDS).iterdir())]
    assert sum(map(is_plain_and_the_same, seeds)) == 10
    plain = sum(map(is_plain_and_the_same, mutated(seeds, seed=1)))
    assert CASES // 20 < plain < CASES  # mutation neither ruins everything nor changes nothing
    until = time.monotonic() + FUZZ_SECONDS
    while time.monotonic() < until:
        seed = time.time_ns()
        for data in mutated(seeds, seed):
            is_plain_and_the_same(data)


methods = st.sampled_from([b"GET", b"POST", b"OPTIONS", b"DELETE", b"get", b"M-SEARCH", b"G T", b""])
target_parts = st.sampled_from(
    [b"/", b"a", b"%41", b"%2e", b"..", b".", b"?", b"{", b"%", b"#", b"*", b"http://a", b"\xe9", b" "]
)
targets = st.one_of(st.just(b"/"), st.lists(target_parts, max_size=6).map(lambda parts: b"/" + b"".join(parts)))
versions = st.sampled_from([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b""])
names = st.one_of(
    st.sampled_from(
        [b"Content-Length", b"Transfer-Encoding", b"Connection", b"Host", b"Expect", b"TE", b"X-Tenant-Id"]
    ),
    st.text("abcXYZ019-_!#$%&'*+.^`|~", min_size=1, max_size=12).map(str.encode),
    st.binary(max_size=3),
)
values = st.one_of(
    st.sampled_from(
        [b"3", b"+3", b"3, 3", b"00000000000000000000003", b"chunked", b"close", b"keep-alive,", b"a", b"[::1]", b""]
    ),
    st.binary(max_size=12),
    st.text('abc \t"(),/:;=é~', max_size=24).map(lambda text: text.encode("latin-1")),
)
colons = st.sampled_from([b": "] * 6 + [b":", b":\t ", b" : ", b"", b":\r\n "])
line_ends = st.sampled_from([b"\r\n"] * 20 + [b"\n", b"\r", b" \r\n", b"\r\r\n"])


@st.composite
def near_heads(draw: st.DrawFn) -> bytes:
    """Return something that is a request head, or nearly."""
    lines = [draw(methods) + b" " + draw(targets) + b" " + draw(versions), b"Host: a"]
    lines += [draw(names) + draw(colons) + draw(values) for _ in range(draw(st.integers(0, 4)))]
    return b"".join(line + draw(line_ends) for line in lines) + b"\r\n"


@given(near_heads())
@example(b"GET / HTTP/1.1\r\nHost: a\r\nX: \x1f\x1c\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: a\r\nX: \x85\xa0\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 000000000000000000005\r\n\r\n")
def test_near_heads(data: bytes) -> None:
    is_plain_and_the_same(data)


@given(targets, st.lists(st.tuples(names, values), max_size=6))
def test_heads_that_are_mostly_plain(target: bytes, fields: list[tuple[bytes, bytes]]) -> None:
    lines = [b"POST " + target + b" HTTP/1.1", b"Host: a", *(name + b": " + value for name, value in fields)]
    is_plain_and_the_same(b"\r\n".join(lines) + b"\r\n\r\n")
