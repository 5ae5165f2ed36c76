"""Field lines: names, values, line ends, folding, lists (RFC 9112, section 5; RFC 9110, section 5)."""

from corpus import Case, Line, Seen, bad, get, lines, ok

_DELIMITERS = '"(),/;<=>?@[\\]{}'
_CONTROLS = {
    "nul": 0,
    "start-of-heading": 1,
    "bell": 7,
    "backspace": 8,
    "vertical-tab": 11,
    "form-feed": 12,
    "escape": 27,
    "unit-separator": 31,
    "delete": 127,
}

_BAD_LINES: dict[str, Line] = {
    "no-colon": "X-A",
    "no-name": ": value",
    "colon-alone": ":",
    "space-before-colon": "X-A : 1",
    "tab-before-colon": "X-A\t: 1",
    "space-in-name": "X A: 1",
    "space-before-name": " X-A: 1",
    "tab-before-name": "\tX-A: 1",
    "space-before-colon-of-length": "Content-Length : 3",
    "space-before-colon-of-encoding": "Transfer-Encoding : chunked",
    "space-before-colon-of-host": "Host : other",
    "high-byte-in-name": b"X-\xc4: 1",
    "utf-8-in-name": "X-é: 1".encode(),
    "space-alone": " ",
    "tab-alone": "\t",
    "line-alone": "hello",
}

_GET = "GET /echo HTTP/1.1"
_FOLDS_OF_MEANING: dict[str, tuple[Line, ...]] = {
    "host": (_GET, "Host:", " edge"),
    "content-length": (_GET, "Host: edge", "Content-Length:", " 0"),
    "connection": (_GET, "Host: edge", "Connection: x-a,", " close"),
    "te": (_GET, "Host: edge", "TE:", " trailers"),
    "expect": (_GET, "Host: edge", "Expect:", " 100-continue"),
    "upgrade": (_GET, "Host: edge", "Upgrade:", " websocket"),
    "x-forwarded-for": (_GET, "Host: edge", "X-Forwarded-For: 10.0.0.1,", " 10.0.0.2"),
    "x-tenant-id": (_GET, "Host: edge", "X-Tenant-Id:", " acme"),
}


def seen(**fields: str | None) -> Seen:
    return Seen(fields={name.replace("_", "-"): value for name, value in fields.items()})


CASES: list[Case] = [
    *(
        bad(f"9112-5.1-{name}", "field-line is a token, a colon at once behind it, and the value", get(line))
        for name, line in _BAD_LINES.items()
    ),
    *(
        bad(f"9110-5.1-name-with-{ord(byte):02x}", "a field name is a token", get(f"X{byte}A: 1"))
        for byte in _DELIMITERS
    ),
    *(
        bad(f"9110-5.1-name-with-{name}", "a field name is a token", get(f"X{chr(byte)}A: 1"))
        for name, byte in _CONTROLS.items()
    ),
    ok(
        "9110-5.1-name-all-token",
        "every tchar may be in a name",
        get("!#$%&'*+-.^_`|~09AZaz: 1"),
        Seen(fields={"!#$%&'*+-.^_`|~09azaz": "1"}),
    ),
    ok("9110-5.1-name-case", "names are not case-sensitive", get("X-MiXeD: CaSe"), seen(x_mixed="CaSe")),
    ok("9110-5.1-name-one-byte", "one character is a name", get("X: 1"), seen(x="1")),
    ok("9110-5.1-unknown", "unknown fields are forwarded", get("X-Unheard-Of: yes"), seen(x_unheard_of="yes")),
    ok(
        "9110-5.3-repeated",
        "several lines of one name keep their order",
        get("X-A: 1", "X-B: 2", "X-A: 3"),
        seen(x_a="1\n3", x_b="2"),
    ),
    ok("9110-5.5-empty", "a value may be empty", get("X-A:"), seen(x_a="")),
    ok("9110-5.5-white-space-alone", "white space around a value is not part of it", get("X-A: \t "), seen(x_a="")),
    ok("9110-5.5-no-space", "white space is optional", get("X-A:1"), seen(x_a="1")),
    ok("9110-5.5-around", "spaces and tabs around it are not part of it", get("X-A: \t 1 \t "), seen(x_a="1")),
    ok("9110-5.5-inside", "spaces and tabs inside it are", get("X-A: 1 \t 2"), seen(x_a="1 \t 2")),
    ok("9110-5.5-colons", "a colon in a value is one of its characters", get("X-A: a:b: c"), seen(x_a="a:b: c")),
    ok(
        "9110-5.5-obs-text",
        "bytes from 80 to FF are opaque data",
        get(b"X-A: \x80\xff\xc3\xa9"),
        seen(x_a="\x80\xff\xc3\xa9"),
    ),
    ok("9110-5.6.4-quoted", "a quoted string is left as it is", get('X-A: "a, \\"b\\""'), seen(x_a='"a, \\"b\\""')),
    ok(
        "9110-5.6.1-empty-elements",
        "empty elements of a list are left as they are",
        get("X-A: , a,, b ,"),
        seen(x_a=", a,, b ,"),
    ),
    *(
        bad(f"9110-5.5-value-with-{name}", "controls in a value are refused", get(f"X-A: a{chr(byte)}b"))
        for name, byte in _CONTROLS.items()
    ),
    bad("9110-5.5-value-is-nul", "CR, LF and NUL in a value are refused", get("X-A: \0")),
    bad("9112-2.2-value-with-carriage-return", "a bare CR in a value is refused", get("X-A: a\rb")),
    bad("9112-2.2-value-ends-in-carriage-return", "likewise before the line end", get("X-A: a\r")),
    bad("9112-2.2-value-is-carriage-return", "likewise alone", get("X-A: \r")),
    bad("9112-2.2-carriage-return-hides-a-field", "it ends no line", get("X-A: a\rTransfer-Encoding: chunked")),
    bad("9112-2.2-carriage-return-before-name", "nor begins one", get("\rX-A: a")),
    bad("9112-2.2-name-with-carriage-return", "likewise in a name", get("X-\rA: a")),
    bad("9112-2.2-line-feed-in-head", "a line ends in CR LF", get("X-A: a\nX-B: b")),
    bad(
        "9112-2.2-line-feed-hides-a-length",
        "a lone LF is not looked over",
        get("X-A: a\nContent-Length: 0"),
    ),
    bad("9112-2.2-end-of-two-line-feeds", "a head ends in CR LF CR LF", get()[:-4] + b"\n\n"),
    bad("9112-2.2-end-of-cr-lf-lf", "a head ends in CR LF CR LF", get()[:-2] + b"\n"),
    bad("9112-2.2-end-of-lf-cr-lf", "a head ends in CR LF CR LF", get()[:-4] + b"\n\r\n"),
    bad("9112-2.2-end-of-cr-cr-lf", "a head ends in CR LF CR LF", get()[:-2] + b"\r\r\n"),
    bad(
        "9112-5.2-fold-space",
        "a folded line is refused, or its fold becomes a space",
        get("X-A: 1", " 2"),
        tolerant=seen(x_a="1 2"),
    ),
    bad("9112-5.2-fold-tab", "likewise", get("X-A: 1", "\t2"), tolerant=seen(x_a="1 2")),
    bad("9112-5.2-fold-spaces", "likewise", get("X-A: 1", "    2"), tolerant=seen(x_a="1 2")),
    bad("9112-5.2-fold-twice", "likewise", get("X-A: 1", " 2", " 3"), tolerant=seen(x_a="1 2 3")),
    *(
        bad(
            f"9112-5.2-fold-of-{name}",
            "what frames, routes or identifies is never folded, nor repaired",
            lines(first, *rest),
        )
        for name, (first, *rest) in _FOLDS_OF_MEANING.items()
    ),
    bad("9112-5.2-fold-of-nothing", "a fold without text could be the end of the head", get("X-A: 1", " ")),
    bad("9112-5.2-fold-like-a-field", "a fold that looks like a field could be one", get("X-A: 1", " X-B: 2")),
    bad(
        "9112-5.2-fold-with-encoding",
        "no repair beside Transfer-Encoding",
        get("X-A: 1", " 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    ),
    bad(
        "9112-5.2-fold-hides-an-encoding",
        "likewise",
        get("X-A: 1", " Transfer-Encoding: chunked"),
    ),
    bad("9112-5.2-fold-before-colon", "a name is never folded", get("X-A", " : 1")),
]
