"""What an evil service answers, and what must come of it: 502 or a break, never an answer that only looks whole."""

from collections.abc import Iterator
from dataclasses import replace

from evil import (
    OTHERS_EXCHANGE,
    BadResponse,
    Frames,
    Outcome,
    begun,
    data,
    elsewhere,
    frame,
    interim,
    length,
    reason,
    response,
    trailers,
)

from frames.frame import DIALLED, END, FrameType
from frames.limits import DATA_BYTES_MAX

REFUSED, SERVED, FAULT, GONE = Outcome.REFUSED, Outcome.SERVED, Outcome.FAULT, Outcome.GONE
REFUSED_OR_CUT = Outcome.REFUSED_OR_CUT

_INJECTIONS = {
    "line-end": b"a\r\nSet-Cookie: evil=1",
    "line-feed": b"a\nSet-Cookie: evil=1",
    "carriage-return": b"a\rb",
    "two-line-ends": b"a\r\n\r\nHTTP/1.1 200 OK\r\n",
    "line-end-first": b"\r\na",
    "line-end-last": b"a\r\n",
    "nul": b"a\0b",
    "escape": b"a\x1b[2J",
    "vertical-tab": b"a\x0bb",
    "delete": b"a\x7fb",
}

_NAMES = {
    "line-end": b"x-a: 1\r\nx-b",
    "line-feed": b"x\na",
    "carriage-return": b"x\ra",
    "nul": b"x\0a",
    "space": b"x a",
    "space-behind": b"x-a ",
    "colon": b"x:a",
    "upper-case": b"X-A",
    "high-byte": b"x-\xe9",
    "slash": b"x/a",
    "parenthesis": b"x(a)",
}

_FRAMING = {
    b"content-length": b"1",
    b"transfer-encoding": b"chunked",
    b"connection": b"close",
    b"keep-alive": b"timeout=1",
    b"proxy-connection": b"close",
    b"te": b"trailers",
    b"trailer": b"x-a",
    b"upgrade": b"websocket",
}

_LENGTHS_THAT_ARE_NONE = {
    "empty": b"",
    "word": b"two",
    "sign": b"+2",
    "minus": b"-1",
    "space": b" 2",
    "17-digits": b"0" * 16 + b"2",
    "hexadecimal": b"0x2",
}

HELLO = b"hello"
CREDIT_BYTES = 16_384
"""The gateway of these tests grants so much on a stream."""


def heads() -> Iterator[BadResponse]:
    """Yield heads that cannot become a head of HTTP."""
    for status in (0, 99, 600, 999, 65_535):
        yield BadResponse(f"status-{status}", "a status is 100 to 599", (response(status),), FAULT)
    for name, value in _INJECTIONS.items():
        rule = "a value holds no control but HTAB"
        yield BadResponse(f"value-with-{name}", rule, (response(200, (b"x-a", value), body=HELLO),), REFUSED)
    yield BadResponse(
        "value-with-line-end-streamed",
        "also where a body follows",
        (begun(200, (b"x-a", b"a\r\nb")), data(HELLO, END)),
        REFUSED,
    )
    for name, text in _NAMES.items():
        yield BadResponse(
            f"name-with-{name}", "a name is a token in lower case", (response(200, (text, b"1")),), REFUSED
        )
    for text, value in _FRAMING.items():
        yield BadResponse(
            f"field-{text.decode()}",
            "what frames a message is for the gateway to say",
            (response(200, (text, value), body=HELLO),),
            REFUSED,
        )
        yield BadResponse(
            f"field-{text.decode()}-streamed",
            "likewise where a body follows",
            (begun(200, (text, value)), data(HELLO, END)),
            REFUSED,
        )
    yield BadResponse("fields-129", "at most 128 fields", (response(200, *[(b"x", b"1")] * 129),), FAULT)
    yield BadResponse(
        "fields-as-many-as-can-be-said", "a count that its table does not hold", (response(200, count=65_535),), FAULT
    )
    yield BadResponse(
        "fields-without-text",
        "a table whose text is not there",
        (frame(FrameType.RESPONSE, b"\0\xc8\0\1" + b"\0\1\xff\xff", END),),
        FAULT,
    )
    yield BadResponse(
        "fields-without-table", "a count without a table", (frame(FrameType.RESPONSE, b"\0\xc8\0\1", END),), FAULT
    )
    yield BadResponse(
        "field-without-name",
        "a named field has a name",
        (frame(FrameType.RESPONSE, b"\0\xc8\0\1" + b"\0\0\0\1" + b"1", END),),
        FAULT,
    )
    yield BadResponse(
        "context-field-with-name",
        "a context field has none",
        (frame(FrameType.RESPONSE, b"\0\xc8\0\1" + b"\1\1\0\1" + b"xa", END),),
        FAULT,
    )
    yield BadResponse(
        "head-too-short", "a RESPONSE has four bytes at least", (frame(FrameType.RESPONSE, b"\0\xc8\0", END),), FAULT
    )
    yield BadResponse("head-empty", "likewise", (frame(FrameType.RESPONSE, b"", END),), FAULT)
    yield BadResponse("unknown-flag", "a flag that is not known", (frame(FrameType.RESPONSE, b"\0\xc8\0\0", 3),), FAULT)
    yield BadResponse(
        "over-the-limit", "a payload is at most 1 MiB", (frame(FrameType.RESPONSE, b"", END, length=1_048_577),), FAULT
    )
    yield BadResponse(
        "not-a-frame", "bytes that are none", (lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",), FAULT
    )


def interims() -> Iterator[BadResponse]:
    """Yield interim responses where, or as many as, none may be."""
    yield BadResponse("interim-with-end", "an interim response is not the end", (response(103),), FAULT)
    yield BadResponse(
        "interim-flood", "at most 16 interim responses", (*[interim()] * 17, response(200, body=HELLO)), REFUSED_OR_CUT
    )
    yield BadResponse("interim-flood-of-a-thousand", "likewise", (*[interim()] * 1_000, response(200)), REFUSED_OR_CUT)
    yield BadResponse(
        "interim-16", "so many are allowed", (*[interim()] * 16, response(200, body=HELLO)), SERVED, body=HELLO
    )
    yield BadResponse(
        "interim-with-line-end",
        "an interim head is a head",
        (interim(103, (b"link", b"a\r\nb")), response(200)),
        REFUSED,
    )
    yield BadResponse(
        "interim-with-framing", "likewise", (interim(103, (b"content-length", b"1")), response(200)), REFUSED
    )
    yield BadResponse("switching-unasked", "101 answers an upgrade alone", (begun(101), data(HELLO, END)), REFUSED)
    yield BadResponse(
        "interim-after-final",
        "nothing but body follows the final response",
        (begun(200), data(HELLO), interim(), data(HELLO, END)),
        REFUSED_OR_CUT,
    )
    yield BadResponse("interim-then-gone", "the final response never comes", (interim(),), GONE, closes=True)


def bodies() -> Iterator[BadResponse]:
    """Yield bodies that lie, or stand where none may be."""
    for status in (204, 304):
        yield BadResponse(f"body-with-{status}", "no body with this status", (response(status, body=HELLO),), REFUSED)
        yield BadResponse(
            f"body-with-{status}-streamed", "nor in DATA", (begun(status), data(HELLO, END)), REFUSED_OR_CUT
        )
    yield BadResponse(
        "length-larger", "a declared length is the body's", (response(200, length(b"6"), body=HELLO),), REFUSED
    )
    yield BadResponse("length-smaller", "likewise", (response(200, length(b"4"), body=HELLO),), REFUSED)
    yield BadResponse(
        "length-larger-streamed", "likewise in DATA", (begun(200, length(b"6")), data(HELLO, END)), REFUSED_OR_CUT
    )
    yield BadResponse(
        "length-smaller-streamed", "likewise", (begun(200, length(b"4")), data(HELLO, END)), REFUSED_OR_CUT
    )
    yield BadResponse(
        "length-much-smaller-streamed",
        "likewise over several frames",
        (begun(200, length(b"4")), data(b"hell"), data(b"o"), data(b"", END)),
        REFUSED_OR_CUT,
    )
    yield BadResponse("length-zero-streamed", "likewise", (begun(200, length(b"0")), data(HELLO, END)), REFUSED_OR_CUT)
    yield BadResponse(
        "length-larger-then-trailers",
        "trailers are the end, too",
        (begun(200, length(b"9")), data(HELLO), trailers((b"x-a", b"1"))),
        REFUSED_OR_CUT,
    )
    yield BadResponse(
        "length-larger-body-in-head",
        "what the RESPONSE brings counts",
        (begun(200, length(b"9"), body=HELLO), data(b"abc", END)),
        REFUSED_OR_CUT,
    )
    for name, text in _LENGTHS_THAT_ARE_NONE.items():
        yield BadResponse(
            f"length-{name}", "a length is 1 to 16 digits", (response(200, length(text), body=b"ok"),), REFUSED
        )
    yield BadResponse(
        "length-twice",
        "a context field appears once",
        (response(200, length(b"5"), length(b"5"), body=HELLO),),
        FAULT,
    )
    yield BadResponse(
        "length-right", "what is right is served", (response(200, length(b"5"), body=HELLO),), SERVED, body=HELLO
    )
    yield BadResponse(
        "not-ended-by-who-does-not-stream",
        "only an endpoint that streams goes on",
        (begun(200, body=HELLO), data(HELLO, END)),
        REFUSED,
        streams=False,
    )
    yield BadResponse(
        "interim-by-who-does-not-stream",
        "an interim response is not a body",
        (interim(), response(200, body=HELLO)),
        SERVED,
        streams=False,
        body=HELLO,
    )
    yield BadResponse("never-ended", "a body without end", (begun(200), data(HELLO)), GONE, closes=True)
    yield BadResponse(
        "never-ended-with-length", "likewise with a length", (begun(200, length(b"9")), data(HELLO)), GONE, closes=True
    )
    yield BadResponse("never-begun", "no response at all", (), GONE, closes=True)
    yield BadResponse(
        "half-a-frame",
        "a frame that is cut off",
        (lambda exchange: response(200, body=HELLO)(exchange)[:-1],),
        GONE,
        closes=True,
    )


def order() -> Iterator[BadResponse]:
    """Yield frames in an order in which they may not come, or on what is not open."""
    good = response(200, body=HELLO)
    yield BadResponse("data-before-response", "the RESPONSE comes first", (data(HELLO), good), REFUSED)
    yield BadResponse("data-with-end-before-response", "likewise", (data(HELLO, END), good), REFUSED)
    yield BadResponse("trailers-before-response", "likewise", (trailers((b"x-a", b"1")), good), REFUSED)
    yield BadResponse(
        "trailers-after-interim", "an interim RESPONSE is not it", (interim(), trailers(), good), REFUSED_OR_CUT
    )
    yield BadResponse("data-after-interim", "likewise", (interim(), data(HELLO), good), REFUSED_OR_CUT)
    yield BadResponse(
        "two-finals", "what follows the end is dropped", (good, response(200, body=b"again")), SERVED, body=HELLO
    )
    yield BadResponse(
        "two-finals-begun",
        "a second final RESPONSE in the midst of a body",
        (begun(200), data(HELLO), response(200, body=b"again")),
        REFUSED_OR_CUT,
    )
    yield BadResponse(
        "final-then-begun", "likewise after the end", (good, begun(200), data(HELLO, END)), SERVED, body=HELLO
    )
    yield BadResponse("data-after-end", "likewise", (good, data(HELLO)), SERVED, body=HELLO)
    yield BadResponse(
        "data-after-end-of-data", "likewise", (begun(200), data(HELLO, END), data(HELLO, END)), SERVED, body=HELLO
    )
    yield BadResponse("trailers-after-end", "likewise", (begun(200), data(HELLO, END), trailers()), SERVED, body=HELLO)
    yield BadResponse("two-trailers", "likewise", (begun(200), data(HELLO), trailers(), trailers()), SERVED, body=HELLO)
    yield BadResponse(
        "refused-after-response",
        "REFUSED says: not started",
        (begun(200), data(HELLO), reason(FrameType.REFUSED, 1, 4)),
        REFUSED_OR_CUT,
    )
    yield BadResponse(
        "refused-after-interim", "likewise", (interim(), reason(FrameType.REFUSED, 1, 4), good), REFUSED_OR_CUT
    )
    yield BadResponse(
        "refused-after-end",
        "what follows the end is dropped",
        (good, reason(FrameType.REFUSED, 1, 4)),
        SERVED,
        body=HELLO,
    )
    yield BadResponse(
        "aborted", "a body that is broken off", (begun(200), data(HELLO), reason(FrameType.CANCEL, 7)), REFUSED_OR_CUT
    )
    yield BadResponse(
        "aborted-with-length",
        "likewise with a length",
        (begun(200, length(b"9")), data(HELLO), reason(FrameType.CANCEL, 7)),
        REFUSED_OR_CUT,
    )
    yield BadResponse(
        "aborted-at-its-length",
        "even if all bytes of it came",
        (begun(200), data(HELLO), data(HELLO), reason(FrameType.CANCEL, 7)),
        REFUSED_OR_CUT,
    )
    yield BadResponse(
        "aborted-after-end", "what has ended cannot be aborted", (good, reason(FrameType.CANCEL, 7)), SERVED, body=HELLO
    )
    yield BadResponse(
        "unknown-exchange",
        "what answers nothing is dropped",
        (elsewhere(good, OTHERS_EXCHANGE), good),
        SERVED,
        body=HELLO,
    )
    yield BadResponse(
        "unknown-exchange-data", "likewise", (elsewhere(data(HELLO, END), OTHERS_EXCHANGE), good), SERVED, body=HELLO
    )
    yield BadResponse(
        "exchange-of-the-other-side", "likewise", (lambda exchange: good(exchange | DIALLED), good), SERVED, body=HELLO
    )
    yield BadResponse("exchange-zero", "a RESPONSE has an exchange", (elsewhere(good, 0),), FAULT)
    yield BadResponse(
        "welcome", "only the other side says WELCOME", (elsewhere(frame(FrameType.WELCOME, b"{}"), 0),), FAULT
    )


def streams() -> Iterator[BadResponse]:
    """Yield DATA, TRAILERS and CREDIT that break a rule of their form or of credit."""
    many = CREDIT_BYTES // 1_024 + 1
    most = data(b"x" * DATA_BYTES_MAX)  # a window grows while its reader keeps up: only what comes at once is too much
    over = "no more than the credit"
    yield BadResponse("over-credit", over, (begun(200), most), REFUSED_OR_CUT, at_once=True)
    yield BadResponse("over-credit-by-much", over, (begun(200), *[most] * 4), REFUSED_OR_CUT, at_once=True)
    ended = (begun(200), data(b"x" * CREDIT_BYTES), *[most] * 4, data(b"", END))
    yield BadResponse("over-credit-ended", "even if it is the end", ended, REFUSED_OR_CUT, at_once=True)
    yield BadResponse(
        "within-credit",
        "what is within it is served",
        (begun(200), *[data(b"x" * 1_024)] * (many - 1), data(b"", END)),
        SERVED,
        body=b"x" * CREDIT_BYTES,
    )
    yield BadResponse("data-too-long", "DATA is at most 65,536 bytes", (begun(200), data(b"x" * 65_537)), FAULT)
    yield BadResponse("data-empty", "DATA without END is not empty", (begun(200), data(b"")), FAULT)
    yield BadResponse("trailers-without-end", "TRAILERS are the end", (begun(200), trailers(flags=0)), FAULT)
    yield BadResponse(
        "trailers-without-table",
        "a count without a table",
        (begun(200), frame(FrameType.TRAILERS, b"\0\1\0\0", END)),
        FAULT,
    )
    for name, value in _INJECTIONS.items():
        yield BadResponse(
            f"trailer-value-with-{name}",
            "a trailer is a field",
            (begun(200), data(HELLO), trailers((b"x-a", value))),
            REFUSED_OR_CUT,
        )
    for name, text in _NAMES.items():
        yield BadResponse(
            f"trailer-name-with-{name}", "likewise", (begun(200), data(HELLO), trailers((text, b"1"))), REFUSED_OR_CUT
        )
    for text, value in _FRAMING.items():
        yield BadResponse(
            f"trailer-{text.decode()}",
            "what must not be a trailer is left out",
            (begun(200), data(HELLO), trailers((text, value))),
            SERVED,
            body=HELLO,
        )
    yield BadResponse("trailers-129", "at most 128 fields", (begun(200), trailers(*[(b"x", b"1")] * 129)), FAULT)
    yield BadResponse("credit-of-nothing", "CREDIT is not zero", (frame(FrameType.CREDIT, bytes(4)),), FAULT)
    yield BadResponse("credit-too-short", "CREDIT has four bytes", (frame(FrameType.CREDIT, bytes(3)),), FAULT)
    yield BadResponse("cancel-too-long", "CANCEL has four bytes", (reason(FrameType.CANCEL, 7, 1),), FAULT)
    yield BadResponse("refused-too-short", "REFUSED has eight", (reason(FrameType.REFUSED, 1),), FAULT)


def without_streams(cases: list[BadResponse]) -> Iterator[BadResponse]:
    """Yield what comes whole in one frame once more, from an endpoint that does not stream: it is read elsewhere."""
    for case in cases:
        if len(case.frames) == 1 and not case.closes and case.streams:
            yield replace(case, id=f"{case.id}-express", streams=False)


_STREAMED = [*heads(), *interims(), *bodies(), *order(), *streams()]
CASES: list[BadResponse] = [*_STREAMED, *without_streams(_STREAMED)]


def frames_of(case: BadResponse, exchange: int) -> bytes:
    """Return all frames of a case, for this exchange."""
    parts: list[Frames] = list(case.frames)
    return b"".join(part(exchange) for part in parts)
