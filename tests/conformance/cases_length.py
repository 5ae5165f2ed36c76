"""Content-Length, Transfer-Encoding, and which of them ends a body (RFC 9112, section 6; RFC 9110, section 8.6)."""

from corpus import EMPTY_POST, POSTED, Case, Line, Seen, bad, chunked, get, lines, ok, post, truncated

_BAD_LENGTHS: dict[str, Line] = {
    "plus": "+3",
    "minus": "-3",
    "minus-zero": "-0",
    "hexadecimal": "0x3",
    "hexadecimal-digit": "a",
    "empty": "",
    "white-space": "  ",
    "fraction": "3.0",
    "exponent": "3e0",
    "underscore": "1_0",
    "space-inside": "3 3",
    "tab-inside": "3\t3",
    "semicolon": "3;",
    "quotes": '"3"',
    "comma-behind": "3,",
    "comma-before": ",3",
    "two-values": "3, 4",
    "word": "three",
    "vertical-tab-before": "\x0b3",
    "form-feed-behind": "3\x0c",
    "nul-behind": "3\0",
    "arabic-digit": "٣".encode(),
    "superscript": b"\xb3",
    "above-2-to-53": "9007199254740993",
    "above-2-to-63": "9223372036854775808",
    "above-2-to-64-to-three": "18446744073709551619",
    "above-2-to-32-to-three-many-digits": "1" + "0" * 30,
    "21-digits": "000000000000000000003",
}

_GOOD_LENGTHS: dict[str, Line] = {
    "no-space": "Content-Length:3",
    "spaces": "Content-Length:   3  ",
    "tab": "Content-Length:\t3\t",
    "lower-case": "content-length: 3",
    "upper-case": "CONTENT-LENGTH: 3",
    "zeros-before": "Content-Length: 0003",
    "20-digits": "Content-Length: 00000000000000000003",
}

_BAD_ENCODINGS: dict[str, Line] = {
    "empty": "",
    "identity": "identity",
    "gzip": "gzip",
    "deflate": "deflate",
    "unknown": "cow",
    "xchunked": "xchunked",
    "chunkedx": "chunkedx",
    "chunke": "chunke",
    "x-chunked": "x-chunked",
    "chunked-not-last": "chunked, gzip",
    "chunked-not-last-identity": "chunked, identity",
    "chunked-twice": "chunked, chunked",
    "parameter": "chunked;a=b",
    "weight": "chunked;q=0.5",
    "semicolon": "chunked;",
    "quotes": '"chunked"',
    "single-quotes": "'chunked'",
    "colon": ": chunked",
    "space-inside": "chu nked",
    "word-behind": "chunked x",
    "word-before": "x chunked",
    "comma-before": ",chunked",
    "comma-behind": "chunked,",
    "vertical-tab-before": "\x0bchunked",
    "vertical-tab-behind": "chunked \x0b",
    "form-feed-behind": "chunked\x0c",
    "nul-behind": "chunked\0",
    "carriage-return-behind": "chunked\r",
    "high-byte-before": b"\xa0chunked",
    "high-byte-inside": b"chun\xebked",
}

_GOOD_ENCODINGS = {
    "lower-case": "Transfer-Encoding: chunked",
    "mixed-case": "Transfer-Encoding: ChunKed",
    "upper-case": "TRANSFER-ENCODING: CHUNKED",
    "no-space": "Transfer-Encoding:chunked",
    "tab": "Transfer-Encoding:\tchunked\t",
    "spaces": "Transfer-Encoding:   chunked  ",
}

_ABC = b"3\r\nabc\r\n0\r\n\r\n"
_TE = "Transfer-Encoding: chunked"

CASES: list[Case] = [
    # ---- Content-Length ----
    ok("9112-6.2-length", "that many bytes are the body", post("Content-Length: 3", body=b"abc"), POSTED),
    ok("9112-6.2-length-zero", "a body may be empty", post("Content-Length: 0"), EMPTY_POST),
    ok("9112-6.3-no-length", "neither length nor encoding: no body", post(), EMPTY_POST),
    ok(
        "9112-6.3-get-with-body",
        "the method does not say whether there is a body",
        get("Content-Length: 3") + b"abc",
        Seen(body=b"abc"),
    ),
    *(
        ok(
            f"9110-9.3-{method.lower()}-with-body",
            "likewise",
            post("Content-Length: 3", body=b"abc", method=method),
            Seen(method, body=b"abc"),
        )
        for method in ("HEAD", "PUT", "PATCH", "DELETE", "OPTIONS")
    ),
    ok(
        "9112-6.3-body-like-a-request",
        "bytes of a body are never a request",
        post(f"Content-Length: {len(get())}", body=get()),
        Seen("POST", body=get()),
    ),
    ok(
        "9112-6.3-body-of-line-ends",
        "nor are they skipped",
        post("Content-Length: 4", body=b"\r\n\r\n"),
        Seen("POST", body=b"\r\n\r\n"),
    ),
    *(
        ok(f"9110-8.6-length-{name}", "Content-Length is 1*DIGIT", post(line, body=b"abc"), POSTED)
        for name, line in _GOOD_LENGTHS.items()
    ),
    *(
        bad(
            f"9110-8.6-length-{name}",
            "Content-Length is 1*DIGIT, within what can be counted",
            post(b"Content-Length: " + (value if isinstance(value, bytes) else value.encode("latin-1")), body=b"abc"),
        )
        for name, value in _BAD_LENGTHS.items()
    ),
    bad(
        "9112-6.3-length-list",
        "a list of equal lengths is refused, or taken as one",
        post("Content-Length: 3, 3", body=b"abc"),
        tolerant=POSTED,
    ),
    bad(
        "9112-6.3-length-twice-the-same",
        "likewise in two lines",
        post("Content-Length: 3", "Content-Length: 3", body=b"abc"),
        tolerant=POSTED,
    ),
    bad(
        "9112-6.3-length-twice",
        "lengths that differ are refused",
        post("Content-Length: 3", "Content-Length: 4", body=b"abcd"),
    ),
    bad("9112-6.3-length-twice-zero", "likewise", post("Content-Length: 0", "Content-Length: 3", body=b"abc")),
    bad("9112-6.3-length-twice-one-bad", "likewise", post("Content-Length: 3", "Content-Length: x", body=b"abc")),
    ok(
        "9112-6.2-length-with-underscore",
        "only the name itself frames a body",
        post("Content_Length: 3", "X-Content-Length: 3"),
        EMPTY_POST,
    ),
    truncated(
        "9112-8-body-one-byte-short", "an incomplete request is not served", post("Content-Length: 3", body=b"ab")
    ),
    truncated("9112-8-no-byte-of-the-body", "an incomplete request is not served", post("Content-Length: 3")),
    # ---- Transfer-Encoding ----
    *(
        ok(f"9112-6.1-encoding-{name}", "chunked, in any case, ends the body by itself", post(line, body=_ABC), POSTED)
        for name, line in _GOOD_ENCODINGS.items()
    ),
    ok("9112-6.1-get-chunked", "whatever the method", get(_TE) + _ABC, Seen(body=b"abc")),
    *(
        bad(
            f"9112-6.3-encoding-{name}",
            "an encoding whose last coding is not chunked has no end in a request",
            post(b"Transfer-Encoding: " + (value if isinstance(value, bytes) else value.encode("latin-1")), body=_ABC),
        )
        for name, value in _BAD_ENCODINGS.items()
    ),
    bad("9112-6.1-encoding-twice", "chunked is applied once", post(_TE, _TE, body=_ABC)),
    bad(
        "9112-6.1-encoding-two-lines-chunked-first",
        "lines of one name are one list",
        post(_TE, "Transfer-Encoding: identity", body=_ABC),
    ),
    bad(
        "9112-6.1-encoding-folded",
        "a fold is no way to write it",
        post("Transfer-Encoding:", " chunked", body=_ABC),
    ),
    bad(
        "9112-6.1-encoding-gzip-then-chunked",
        "a coding that is not known is answered 501",
        post("Transfer-Encoding: gzip, chunked", body=_ABC),
        501,
    ),
    bad("9112-6.1-encoding-unknown-then-chunked", "likewise", post("Transfer-Encoding: cow, chunked", body=_ABC), 501),
    ok(
        "9112-6.1-encoding-with-underscore",
        "only the name itself frames a body",
        post("Transfer_Encoding: chunked", "X-Transfer-Encoding: chunked"),
        EMPTY_POST,
    ),
    bad(
        "9112-6.1-encoding-http-1.0",
        "Transfer-Encoding in HTTP/1.0 means that the framing is faulty",
        lines("POST /echo HTTP/1.0", "Host: edge", _TE) + _ABC,
    ),
    bad(
        "9112-6.1-encoding-http-1.0-keep-alive",
        "likewise",
        lines("POST /echo HTTP/1.0", "Host: edge", _TE, "Connection: keep-alive") + _ABC,
    ),
    # ---- both ----
    bad(
        "9112-6.1-length-then-encoding",
        "both at once may be an attempt to smuggle",
        post("Content-Length: 3", _TE, body=_ABC),
    ),
    bad("9112-6.1-encoding-then-length", "in either order", post(_TE, "Content-Length: 13", body=_ABC)),
    bad("9112-6.1-encoding-and-length-zero", "even without a body", post(_TE, "Content-Length: 0", body=b"0\r\n\r\n")),
    bad(
        "9112-11.2-length-and-obfuscated-encoding",
        "whatever the encoding looks like",
        post("Content-Length: 3", "Transfer-Encoding: xchunked", body=b"abc"),
    ),
    bad(
        "9112-11.2-length-and-encoding-far-apart",
        "wherever they are",
        post("Content-Length: 3", *(f"X-{number}: 1" for number in range(20)), _TE, body=_ABC),
    ),
    bad(
        "9112-11.2-after-a-good-request",
        "a request before it is answered, the one inside it is not",
        get() + post("Content-Length: 6", _TE, body=b"0\r\n\r\nG" + get()),
        before=[Seen()],
    ),
    ok(
        "9112-11.2-chunked-body-like-a-request",
        "bytes of a body are never a request",
        chunked(b"%x\r\n" % len(get()) + get() + b"\r\n0\r\n\r\n"),
        Seen("POST", body=get()),
    ),
]
