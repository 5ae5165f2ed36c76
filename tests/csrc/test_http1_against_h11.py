"""Whatever the C scanner does not call malformed, h11 accepts with the same method, target, fields and framing.

Only this direction: the scanner is the stricter one. PENSTOCK_FUZZ_SECONDS makes it look for longer, with other seeds.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import h11
from http1_support import SEEDS, Head, find_end, is_malformed, scan_head
from hypothesis import example, given
from hypothesis import strategies as st

from frames._native import lib

CASES = 6_000
LENGTH_MAX = 1 << 20  # of a body that is made to see whether h11 takes so much
UNUSUAL = ("METHOD", "TARGET", "PATH", "VERSION", "ENCODING", "EXPECT", "UPGRADE", "CONNECTION", "BODY")
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
    *(
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"Upgrade: a/1\r\n",
        b"Connection: upgrade, x\r\n",
    ),
    *(
        b"Connection: close, keep-alive\r\n",
        b"Content-Length: 70000\r\n",
        b"TE: trailers\r\n",
        b"X-Forwarded-For: a\r\n",
        b"%41",
    ),
    *(b"Connection: close\r\n", b"X-Tenant-Id: b\r\n", b"HTTP/1.1", b"HTTP/1.0", b"GET ", b"X:", b"%2F", b"\r\n\r\n"),
]


class Reading(NamedTuple):
    """A request as h11 reads it."""

    method: bytes
    target: bytes
    version: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body_bytes: int
    keeps_open: bool


def read_with_h11(data: bytes) -> Reading:
    """Return what h11 makes of a request; raises h11.RemoteProtocolError where it refuses it."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    request = connection.next_event()
    assert isinstance(request, h11.Request), f"{request!r} for {data!r}"
    body_bytes = 0
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data), f"{event!r} for {data!r}"
        body_bytes += len(event.data)
    fields = tuple((bytes(name), bytes(value)) for name, value in request.headers)
    keeps_open = connection.their_state is h11.DONE  # and not of a protocol that it might switch to
    return Reading(bytes(request.method), bytes(request.target), request.http_version, fields, body_bytes, keeps_open)


def body_for(head: Head) -> bytes:
    """Return a body as the head says there is one; of one that is too long for a test, nothing is asked."""
    return b"3\r\nabc\r\n0\r\n\r\n" if head.flags & lib.HEAD_CHUNKED else b"b" * head.content_length


def as_h11_tells(field: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """Return a field with the value that h11 gives it: it lowers the case of one."""
    name, value = field
    return name, value.lower() if name == b"transfer-encoding" else value


def is_taken_by_both(data: bytes) -> str:
    """Assert that h11 agrees when the scanner does not refuse what data begins with; return the scanner's verdict."""
    end = find_end(data)
    if end <= 0:
        return "no head"
    head = scan_head(data[:end])
    if is_malformed(head.verdict) or head.content_length > LENGTH_MAX:
        return head.verdict
    found = read_with_h11(data[:end] + body_for(head))
    assert (found.target, found.fields) == (head.target, tuple(map(as_h11_tells, head.fields)))
    assert found.method == head.method or (head.verdict == "UNUSUAL_METHOD" and not head.method)
    assert (found.version == b"1.0") == bool(head.flags & lib.HEAD_HTTP_1_0)
    assert found.body_bytes == (3 if head.flags & lib.HEAD_CHUNKED else head.content_length)
    assert head.body_bytes in ((found.body_bytes, 0) if head.verdict.startswith("UNUSUAL") else (found.body_bytes,))
    assert not found.keeps_open or not head.flags & lib.HEAD_CLOSE
    if head.verdict == "PLAIN":
        assert found.keeps_open == (not head.flags & lib.HEAD_CLOSE)
    return head.verdict


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
    assert Counter(map(is_taken_by_both, seeds))["PLAIN"] == 12
    found = Counter(map(is_taken_by_both, mutated(seeds, seed=1)))
    assert CASES // 20 < found["PLAIN"] < CASES  # mutation neither ruins everything nor changes nothing
    assert all(found[f"UNUSUAL_{what}"] > CASES // 500 for what in UNUSUAL), found
    until = time.monotonic() + FUZZ_SECONDS
    while time.monotonic() < until:
        seed = time.time_ns()
        for data in mutated(seeds, seed):
            is_taken_by_both(data)


methods = st.sampled_from([b"GET", b"POST", b"OPTIONS", b"DELETE", b"get", b"M-SEARCH", b"G T", b""])
target_parts = st.sampled_from(
    [b"/", b"a", b"%41", b"%2e", b"..", b".", b"?", b"{", b"%", b"#", b"*", b"http://a", b"\xe9", b" "]
)
targets = st.one_of(st.just(b"/"), st.lists(target_parts, max_size=6).map(lambda parts: b"/" + b"".join(parts)))
versions = st.sampled_from([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b""])
names = st.one_of(
    st.sampled_from(
        [b"Content-Length", b"Transfer-Encoding", b"Connection", b"Host", b"Expect", b"TE", b"X-Tenant-Id", b"Upgrade"]
    ),
    st.text("abcXYZ019-_!#$%&'*+.^`|~", min_size=1, max_size=12).map(str.encode),
    st.binary(max_size=3),
)
values = st.one_of(
    st.sampled_from(
        [
            *(b"3", b"+3", b"3, 3", b"00000000000000000000003", b"chunked", b"Chunked", b"gzip, chunked", b"close"),
            *(b"keep-alive,", b"close, keep-alive", b"upgrade", b"100-continue", b"trailers", b"a", b"[::1]", b""),
        ]
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
    is_taken_by_both(data)


@given(targets, st.lists(st.tuples(names, values), max_size=6))
def test_heads_that_are_mostly_plain(target: bytes, fields: list[tuple[bytes, bytes]]) -> None:
    lines = [b"POST " + target + b" HTTP/1.1", b"Host: a", *(name + b": " + value for name, value in fields)]
    is_taken_by_both(b"\r\n".join(lines) + b"\r\n\r\n")
