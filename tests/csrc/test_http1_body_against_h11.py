"""Whatever the chunked decoder accepts, h11 accepts with the same body, the same trailers and the same rest.

Only this direction, and with two differences that are known: h11 refuses white space between a chunk's size and
';', which RFC 9112, section 7.1.1, has recipients take, and it refuses trailers that would frame the message, which
are left out here. Both are taken out before h11 is asked. PENSTOCK_FUZZ_SECONDS makes it look for longer, with other
seeds.
"""

import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import h11
from http1_support import SEEDS
from hypothesis import example, given
from hypothesis import strategies as st

from frames.chunked import BodyError, ChunkedDecoder, may_be_trailer

BODY_SEEDS = SEEDS.parent / "http1_body"
CASES = 8_000
FUZZ_SECONDS = float(os.environ.get("PENSTOCK_FUZZ_SECONDS", "0"))
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
SPLICES = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b";",
        b"=",
        b'"',
        b"\\",
        b":",
        b",",
        b"0",
        b"1",
        b"a",
        b"F",
        b"g",
        b"\0",
        b"\x7f",
    ),
    *(b"\x80", b"-", b"+", b"0x", b"_", b";a", b";a=b", b';a="b"', b" ;a", b"\r\n0\r\n\r\n", b"0\r\n", b"1\r\nx\r\n"),
    *(
        b"X: y\r\n",
        b"\r\n ",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: x\r\n",
        b"0000000000000000",
        b"20000000000000",
    ),
]

Outcome = tuple[bytes, list[tuple[bytes, bytes]], bytes]


def decode(data: bytes, cuts: random.Random | None = None) -> Outcome | str | None:
    """Return body, trailers and rest; the code of an error; None where the body does not end."""
    decoder = ChunkedDecoder()
    body = b""
    while data:
        count = cuts.randint(1, 40) if cuts else len(data)
        part, data = data[:count], data[count:]
        try:
            chunks = decoder.feed(part)
        except BodyError as error:
            return str(error)
        body += b"".join(chunks.pieces)
        if chunks.is_done:
            return body, chunks.trailers, chunks.rest + data
    return None


def for_h11(data: bytes) -> bytes:
    """Return an accepted body without what h11 is known to refuse."""
    out = b""
    while True:
        line, _, data = data.partition(b"\r\n")
        out += re.sub(rb"^([0-9A-Fa-f]+)[ \t]+;", rb"\1;", line) + b"\r\n"
        size = int(re.split(rb"[; \t]", line)[0], 16)
        if not size:
            break
        out += data[: size + 2]
        data = data[size + 2 :]
    while not data.startswith(b"\r\n"):
        line, _, data = data.partition(b"\r\n")
        if line.partition(b":")[0].lower() not in (b"content-length", b"transfer-encoding"):
            out += line + b"\r\n"
    return out + data


def read_with_h11(data: bytes) -> Outcome:
    """Return what h11 makes of a body; raises h11.RemoteProtocolError where it refuses it."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(HEAD + data)
    assert isinstance(connection.next_event(), h11.Request)
    body = b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        assert isinstance(event, h11.Data), f"{event!r} for {data!r}"
        body += event.data
    trailers = [(bytes(name), bytes(value)) for name, value in event.headers if may_be_trailer(bytes(name))]
    return body, trailers, connection.trailing_data[0]


def is_accepted_by_both(data: bytes) -> bool:
    """Assert that h11 agrees when the decoder accepts what data begins with, cut or whole; say whether it did."""
    found = decode(data)
    assert decode(data, random.Random(len(data))) == found
    if not isinstance(found, tuple):
        return False
    assert read_with_h11(for_h11(data)) == found
    return True


def mutate(data: bytes, choose: random.Random) -> bytes:
    """Return the body with one to three changes of the kinds that tell parsers apart."""
    for _ in range(choose.randint(1, 3)):
        at = choose.randint(0, len(data))
        to = min(len(data), at + choose.randint(0, 6))
        kind = choose.randrange(4)
        if kind == 0:
            data = data[:at] + choose.choice(SPLICES) + data[at:]
        elif kind == 1:
            data = data[:at] + data[to:]
        elif kind == 2:
            data = data[:at] + bytes([choose.randrange(256)]) + data[at + 1 :]
        else:
            data = data[:to] + data[at:]
    return data


def mutated(seeds: list[bytes], seed: int) -> Iterator[bytes]:
    choose = random.Random(seed)
    for _ in range(CASES):
        yield mutate(choose.choice(seeds), choose)


def test_seeds_and_what_is_made_of_them() -> None:
    seeds = [path.read_bytes() for path in sorted(Path(BODY_SEEDS).iterdir())]
    assert sum(map(is_accepted_by_both, seeds)) == 8
    accepted = sum(map(is_accepted_by_both, mutated(seeds, seed=1)))
    assert CASES // 20 < accepted < CASES  # mutation neither ruins everything nor changes nothing
    until = time.monotonic() + FUZZ_SECONDS
    while time.monotonic() < until:
        for data in mutated(seeds, time.time_ns()):
            is_accepted_by_both(data)


def test_each_seed_of_the_fuzzer_is_what_its_name_says() -> None:
    found = {path.name: decode(path.read_bytes()) for path in BODY_SEEDS.iterdir()}
    assert {name: outcome for name, outcome in found.items() if isinstance(outcome, str)} == {
        "bare_line_feed": "bad_line_end",
        "folded_trailer": "bad_trailer_name",
        "hex_prefix": "bad_size",
        "length_lies": "bad_data_end",
        "no_end": "bad_trailer_name",
        "quoted_not_closed": "bad_extension",
        "return_in_trailer": "bad_trailer_line",
        "signed": "bad_size",
        "size_too_large": "size_too_large",
        "space_after_size": "bad_size",
        "space_before_colon": "bad_trailer_name",
    }
    assert [name for name, outcome in found.items() if outcome is None] == ["truncated"]
    assert found["pipelined"] == (b"a", [], b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert found["chunk_in_data"] == (b"0\r\n\r\n", [], b"")


white = st.sampled_from([b""] * 8 + [b" ", b"\t ", b"\r", b"\n"])
words = st.one_of(st.sampled_from([b"a", b"x-y", b"1", b""]), st.binary(max_size=3))
quoted = st.binary(max_size=6).map(lambda text: b'"' + text + b'"')
line_ends = st.sampled_from([b"\r\n"] * 20 + [b"\n", b"\r", b" \r\n", b"\r\r\n", b""])


@st.composite
def near_bodies(draw: st.DrawFn) -> bytes:
    """Return something that is a chunked body, or nearly."""
    out = b""
    for data in [*draw(st.lists(st.binary(min_size=1, max_size=20), max_size=4)), b""]:
        size = len(data) if draw(st.integers(0, 20)) else draw(st.integers(0, 30))
        out += (
            draw(
                st.sampled_from([b"%x", b"%X", b"%04x", b"%016x", b"%017x", b" %x", b"+%x"][: draw(st.integers(1, 7))])
            )
            % size
        )
        for _ in range(draw(st.integers(0, 2))):
            out += draw(white) + b";" + draw(white) + draw(words)
            if draw(st.booleans()):
                out += draw(white) + b"=" + draw(white) + draw(st.one_of(words, quoted))
        out += draw(line_ends) + data + (draw(line_ends) if data else b"")
    for _ in range(draw(st.integers(0, 2))):
        out += (
            draw(words)
            + draw(st.sampled_from([b": "] * 6 + [b":", b" : ", b"", b":\r\n "]))
            + draw(words)
            + draw(line_ends)
        )
    return out + b"\r\n" + draw(st.sampled_from([b"", b"GET / HTTP/1.1\r\n"]))


@given(near_bodies())
@example(b'1 ;a="\xff"\r\nx\r\n0\r\n\r\n')
@example(b"0\r\nTransfer-Encoding: x\r\nContent-Length: y\r\n\r\n")
@example(b"0000000000000000;a\r\nX:\t \r\n\r\n")
def test_near_bodies(data: bytes) -> None:
    is_accepted_by_both(data)


@given(st.lists(st.binary(min_size=1, max_size=3000), max_size=6), st.randoms(use_true_random=False))
def test_what_h11_writes_is_read_the_same(pieces: list[bytes], cuts: random.Random) -> None:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="POST", target="/", headers=[("host", "a"), ("transfer-encoding", "chunked")]))
    sent = b"".join(connection.send(h11.Data(data=piece)) or b"" for piece in pieces)
    sent += connection.send(h11.EndOfMessage(headers=[("x-sum", "1")])) or b""
    assert decode(sent, cuts) == (b"".join(pieces), [(b"x-sum", b"1")], b"")
