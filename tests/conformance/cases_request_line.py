"""The request line: its spaces, its method, its version, and what may stand before it (RFC 9112, sections 2 and 3)."""

from corpus import Case, Line, Seen, bad, get, lines, ok, truncated


def first(line: Line, *fields: Line) -> bytes:
    """Return a request with this first line."""
    return lines(line, "Host: edge", *fields)


_MALFORMED_LINES: dict[str, Line] = {
    "two-spaces-before-target": "GET  /echo HTTP/1.1",
    "two-spaces-before-version": "GET /echo  HTTP/1.1",
    "space-before": " GET /echo HTTP/1.1",
    "tab-between": "GET\t/echo\tHTTP/1.1",
    "tab-before-version": "GET /echo\tHTTP/1.1",
    "vertical-tab-between": "GET\x0b/echo HTTP/1.1",
    "form-feed-before-version": "GET /echo\x0cHTTP/1.1",
    "space-in-target": "GET /ec ho HTTP/1.1",
    "no-target": "GET HTTP/1.1",
    "empty-target": "GET  HTTP/1.1",
    "no-method": "/echo HTTP/1.1",
    "carriage-return-inside": "GET /echo\r HTTP/1.1",
    "carriage-return-behind": "GET /echo HTTP/1.1\r",
    "nul-behind": "GET /echo HTTP/1.1\0",
    "nul-before": "\0GET /echo HTTP/1.1",
    "byte-order-mark": b"\xef\xbb\xbfGET /echo HTTP/1.1",
}

_NO_VERSIONS = {
    "lower-case": "http/1.1",
    "mixed-case": "Http/1.1",
    "other-name": "HTTQ/1.1",
    "https": "HTTPS/1.1",
    "no-slash": "HTTP1.1",
    "no-minor": "HTTP/1",
    "empty-minor": "HTTP/1.",
    "empty-major": "HTTP/.1",
    "comma": "HTTP/1,1",
    "two-digit-minor": "HTTP/1.10",
    "two-digit-major": "HTTP/11.1",
    "leading-zero": "HTTP/01.1",
    "letter": "HTTP/1.x",
    "sign": "HTTP/+1.1",
    "space-inside": "HTTP/ 1.1",
    "third-number": "HTTP/1.1.1",
    "behind-it-a-semicolon": "HTTP/1.1;",
}

_NO_TOKENS = {
    "at": b"G@T",
    "slash": b"G/T",
    "colon": b"GET:",
    "parenthesis": b"GET(",
    "quotes": b'"GET"',
    "nul": b"G\0T",
    "delete": b"G\x7fT",
    "high-byte": b"G\xc9T",
    "comma": b"GET,",
}

CASES: list[Case] = [
    ok("9112-3-plain", "method SP request-target SP HTTP-version CRLF", get()),
    *(
        bad(
            f"9112-3-{name}",
            "one SP between the three words, no other white space, nothing before or behind",
            first(line),
        )
        for name, line in _MALFORMED_LINES.items()
    ),
    bad("9112-3-space-behind", "nothing behind the version", first("GET /echo HTTP/1.1 "), tolerant=Seen()),
    bad("9112-3-tab-behind", "nothing behind the version", first("GET /echo HTTP/1.1\t"), tolerant=Seen()),
    bad(
        "9112-2.2-line-feeds-only",
        "a line ends in CR LF; LF may be taken where there is no CR at all, and is not by the strict",
        b"GET /echo HTTP/1.1\nHost: edge\n\n",
        tolerant=Seen(),
    ),
    bad(
        "9112-2.2-line-feed-after-request-line",
        "a line ends in CR LF",
        b"GET /echo HTTP/1.1\nHost: edge\r\n\r\n",
    ),
    bad("9112-2.2-carriage-returns-only", "a CR without LF ends no line", b"GET /echo HTTP/1.1\rHost: edge\r\r"),
    bad("9112-2.2-line-feed-then-carriage-return", "LF CR is no line end", b"GET /echo HTTP/1.1\n\rHost: edge\n\r\n\r"),
    bad(
        "9112-2.2-empty-line-before",
        "an empty line before the request line should be ignored; the strict mode takes none",
        b"\r\n" + get(),
        tolerant=Seen(),
    ),
    bad(
        "9112-2.2-line-feed-before",
        "not even an empty line, as it ends in LF alone",
        b"\n" + get(),
        tolerant=Seen(),
    ),
    bad("9112-2.2-carriage-return-before", "a bare CR is no line", b"\r" + get()),
    bad(
        "9112-2.2-white-space-before-first-field",
        "white space between the request line and the first field: rejected, as is each line that begins so",
        lines("GET /echo HTTP/1.1", " Host: edge"),
    ),
    bad(
        "9112-2.2-white-space-line-before-first-field",
        "a line of white space alone is not the end of the head",
        lines("GET /echo HTTP/1.1", " ", "Host: edge"),
    ),
    bad("9112-2.2-other-protocol-ssh", "what does not match the grammar is answered 400", b"SSH-2.0-OpenSSH_9.6\r\n"),
    bad("9112-2.2-other-protocol-tls", "likewise", b"\x16\x03\x01\x00\xf1\x01\x00\x00\xed\x03\x03" + bytes(32)),
    bad("9112-2.2-other-protocol-smtp", "likewise", b"EHLO edge\r\n\r\n"),
    bad("9112-2.2-zeros", "likewise", bytes(32)),
    *(
        bad(f"9112-2.3-version-{name}", 'HTTP-version is "HTTP/" DIGIT "." DIGIT, and the name is case-sensitive', data)
        for name, data in ((name, first(f"GET /echo {version}")) for name, version in _NO_VERSIONS.items())
    ),
    *(
        bad(f"9110-2.5-version-{version}", "a version that is not served", first(f"GET /echo HTTP/{version}"), 505)
        for version in ("0.9", "1.2", "1.9", "2.0", "2.1", "3.0", "9.9")
    ),
    bad(
        "9112-2.3-http-0.9",
        "a request line without version is HTTP/0.9, which is not served",
        b"GET /echo\r\n\r\n",
        505,
    ),
    bad("9112-2.3-http2-preface", "HTTP/2 is not spoken here", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ok(
        "9112-2.3-http-1.0",
        "a request of an earlier minor version is served, and its connection is not kept",
        first("GET /echo HTTP/1.0"),
        closes=True,
    ),
    ok("9112-9.3-http-1.0-close", "HTTP/1.0 with close", first("GET /echo HTTP/1.0", "Connection: close"), closes=True),
    ok(
        "9112-9.3-http-1.0-keep-alive",
        "HTTP/1.0 stays open where both sides say so",
        first("GET /echo HTTP/1.0", "Connection: keep-alive"),
    ),
    ok(
        "9112-9.3-http-1.0-keep-alive-then-close",
        "close wins over keep-alive",
        first("GET /echo HTTP/1.0", "Connection: keep-alive", "Connection: close"),
        closes=True,
    ),
    *(
        bad(f"9112-3.1-method-{name}", "a method is a token", first(method + b" /echo HTTP/1.1"))
        for name, method in _NO_TOKENS.items()
    ),
    *(
        bad(
            f"9110-9.1-method-{method}",
            "a method that is not known is answered 501",
            first(f"{method} /echo HTTP/1.1"),
            501,
        )
        for method in ("get", "Get", "BREW", "PROPFIND", "M-SEARCH", "X" * 40, "G", "TRACE")
    ),
    *(
        ok(f"9110-9.1-method-{method}", "a method that is served", first(f"{method} /echo HTTP/1.1"), Seen(method))
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    ),
    bad(
        "9110-9.3.6-connect",
        "CONNECT is not served by a gateway",
        lines("CONNECT edge:443 HTTP/1.1", "Host: edge"),
        501,
    ),
    bad("9110-9.3.6-connect-origin-form", "nor with another form of target", first("CONNECT /echo HTTP/1.1"), 501),
    truncated("9112-8-half-request-line", "an incomplete request is not served", b"GET /ec"),
    truncated("9112-8-half-head", "an incomplete request is not served", b"GET /echo HTTP/1.1\r\nHost: edge\r\n"),
    truncated("9112-8-head-without-last-line-feed", "an incomplete request is not served", get()[:-1]),
    truncated("9112-8-whole-and-half", "what is whole is answered, what is not is not", get() + get()[:-1], Seen()),
]
