"""The chunked coding: sizes, extensions, data, and the trailer section (RFC 9112, 7.1; RFC 9110, 6.5)."""

from corpus import EMPTY_POST, POSTED, Case, Seen, bad, chunked, get, ok, truncated

END = b"0\r\n\r\n"

_GOOD_SIZES = {
    "zero-before": b"03",
    "15-zeros-before": b"0" * 15 + b"3",
}

_BAD_SIZES = {
    "empty": b"",
    "not-hexadecimal": b"g",
    "hexadecimal-prefix": b"0x3",
    "plus": b"+3",
    "minus": b"-3",
    "space-before": b" 3",
    "tab-before": b"\t3",
    "space-behind": b"3 ",
    "tab-behind": b"3\t",
    "space-inside": b"0 3",
    "underscore": b"0_3",
    "comma": b"3,",
    "dot": b"3.0",
    "h-behind": b"3h",
    "nul-behind": b"3\0",
    "vertical-tab-before": b"\x0b3",
    "high-byte-behind": b"3\xa0",
    "quotes": b'"3"',
    "17-digits": b"0" * 16 + b"3",
    "above-2-to-53": b"20000000000003",
    "all-ones": b"ffffffffffffffff",
    "above-2-to-64-to-three": b"10000000000000003",
    "carriage-return-behind": b"3\r",
}

_GOOD_EXTENSIONS = {
    "name": b";a",
    "name-and-value": b";a=b",
    "several": b";a=b;c;d=e",
    "quoted": b';a="b c;\\"d\\""',
    "quoted-empty": b';a=""',
    "space-before-name": b"; a=b",
    "space-before-semicolon": b" ;a=b",
    "spaces-around-equals": b";a = b",
    "tabs": b"\t;\ta\t=\tb",
    "all-token": b";!#$%&'*+-.^_`|~=09",
    "quoted-obs-text": b';a="\xe9"',
}

_BAD_EXTENSIONS = {
    "no-name": b";",
    "two-semicolons": b";;a",
    "no-name-before-equals": b";=b",
    "no-value": b";a=",
    "two-values": b";a=b c",
    "two-equals": b";a==b",
    "quote-not-closed": b';a="b',
    "behind-quotes": b';a="b"c',
    "quote-in-name": b';"a"=b',
    "no-token": b";a=@",
    "nul": b";a=\0",
    "nul-in-quotes": b';a="\0"',
    "control-in-quotes": b';a="\x01"',
    "delete": b";a\x7f",
    "carriage-return": b";a\rb",
    "line-feed": b";a\nb",
    "line-feed-in-quotes": b';a="\n"',
    "high-byte": b";a\xe9",
    "space-behind": b";a=b ",
    "comma": b";a,b",
}

_BAD_TRAILERS = {
    "no-colon": b"X-A\r\n",
    "no-name": b": 1\r\n",
    "space-before-colon": b"X-A : 1\r\n",
    "space-in-name": b"X A: 1\r\n",
    "space-before-name": b" X-A: 1\r\n",
    "fold": b"X-A: 1\r\n 2\r\n",
    "nul": b"X-A: \0\r\n",
    "control": b"X-A: \x01\r\n",
    "delete": b"X-A: \x7f\r\n",
    "high-byte-in-name": b"X-\xe9: 1\r\n",
    "carriage-return": b"X-A: 1\r2\r\n",
    "carriage-return-behind": b"X-A: 1\r\r\n",
    "line-feed": b"X-A: 1\n",
    "line-feed-inside": b"X-A: 1\nX-B: 2\r\n",
}

_NO_TRAILERS = (
    *(
        "Transfer-Encoding: chunked",
        "Content-Length: 5",
        "Host: other",
        "Connection: close",
        "Trailer: x",
        "TE: trailers",
    ),
    *("Authorization: x", "Cookie: a=b", "Content-Type: a/b", "Content-Encoding: gzip", "Content-Range: bytes 0-1/2"),
    *("Cache-Control: no-cache", "Expect: 100-continue", "Max-Forwards: 0", "Range: bytes=0-1", "Upgrade: x"),
    *(
        "X-Forwarded-For: 10.0.0.1",
        "X-Tenant-Id: other",
        "X_Tenant_Id: other",
        "Forwarded: for=a",
        "X-Penstock-Reason: a",
    ),
)


def sized(size: bytes) -> bytes:
    return chunked(size + b"\r\nabc\r\n" + END)


def trailed(trailers: bytes) -> bytes:
    return chunked(b"3\r\nabc\r\n0\r\n" + trailers + b"\r\n")


CASES: list[Case] = [
    ok("9112-7.1-one-chunk", "size CRLF data CRLF, then a last chunk and an empty line", sized(b"3"), POSTED),
    ok("9112-7.1-no-chunk", "a body may be empty", chunked(END), EMPTY_POST),
    ok("9112-7.1-three-chunks", "data of chunks is joined", chunked(b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n" + END), POSTED),
    ok("9112-7.1-last-chunk-of-zeros", "last-chunk is 1*(0)", chunked(b"3\r\nabc\r\n000\r\n\r\n"), POSTED),
    ok(
        "9112-7.1-upper-case",
        "digits are in either case",
        chunked(b"A\r\n0123456789\r\n" + END),
        Seen("POST", body=b"0123456789"),
    ),
    ok(
        "9112-7.1-lower-case",
        "digits are in either case",
        chunked(b"a\r\n0123456789\r\n" + END),
        Seen("POST", body=b"0123456789"),
    ),
    ok(
        "9112-7.1-data-of-line-ends",
        "data is not looked at",
        chunked(b"5\r\n\r\n0\r\n\r\n" + END),
        Seen("POST", body=b"\r\n0\r\n"),
    ),
    ok(
        "9112-7.1-next-request-behind",
        "what is behind the last empty line is the next request",
        sized(b"3") + get(),
        POSTED,
        Seen(),
    ),
    ok("9112-7.1.3-two-chunked", "and so on", sized(b"3") + sized(b"3"), POSTED, POSTED),
    ok(
        "9112-9.3-chunked-close",
        "close is heeded after a chunked body",
        chunked(b"3\r\nabc\r\n" + END, "Connection: close"),
        POSTED,
        closes=True,
    ),
    *(ok(f"9112-7.1-size-{name}", "chunk-size is 1*HEXDIG", sized(size), POSTED) for name, size in _GOOD_SIZES.items()),
    *(
        bad(f"9112-7.1-size-{name}", "chunk-size is 1*HEXDIG, within what can be counted", sized(size))
        for name, size in _BAD_SIZES.items()
    ),
    bad("9112-7.1-line-feed-behind-size", "a chunk's line ends in CR LF", chunked(b"3\nabc\r\n" + END)),
    bad("9112-7.1-carriage-return-behind-size", "likewise", chunked(b"3\rabc\r\n" + END)),
    bad("9112-7.1-line-feed-behind-data", "data is followed by CR LF", chunked(b"3\r\nabc\n" + END)),
    bad("9112-7.1-carriage-return-behind-data", "likewise", chunked(b"3\r\nabc\r" + END)),
    bad("9112-7.1-nothing-behind-data", "likewise", chunked(b"3\r\nabc" + END)),
    bad("9112-7.1-more-data-than-size", "likewise", chunked(b"2\r\nabc\r\n" + END)),
    bad("9112-7.1-less-data-than-size", "likewise", chunked(b"4\r\nabc\r\n" + END)),
    bad("9112-7.1-two-line-ends-behind-data", "the next line is a size", chunked(b"3\r\nabc\r\n\r\n" + END)),
    bad("9112-7.1-line-feed-behind-last-chunk", "the last chunk's line ends in CR LF", chunked(b"3\r\nabc\r\n0\n\r\n")),
    bad("9112-7.1-line-feed-at-the-end", "the last line is CR LF", chunked(b"3\r\nabc\r\n0\r\n\n")),
    bad("9112-7.1-no-chunks-at-all", "text that is not chunked", chunked(b"hello world\r\n")),
    bad("9112-7.1-missing-last-chunk", "the next request is no chunk", chunked(b"3\r\nabc\r\n") + get()),
    bad("9112-7.1-request-instead-of-chunk", "likewise", chunked(b"") + get()),
    truncated("9112-8-chunked-no-last-chunk", "an incomplete chunked body is not served", chunked(b"3\r\nabc\r\n")),
    truncated("9112-8-chunked-no-last-line", "likewise", chunked(b"3\r\nabc\r\n0\r\n")),
    truncated("9112-8-chunked-half-chunk", "likewise", chunked(b"3\r\na")),
    truncated("9112-8-chunked-half-size", "likewise", chunked(b"3")),
    truncated("9112-8-chunked-half-trailer", "likewise", chunked(b"3\r\nabc\r\n0\r\nX-A: 1\r\n")),
    # ---- extensions ----
    *(
        ok(
            f"9112-7.1.1-extension-{name}",
            "an extension is ignored",
            chunked(b"3" + text + b"\r\nabc\r\n" + END),
            POSTED,
        )
        for name, text in _GOOD_EXTENSIONS.items()
    ),
    ok("9112-7.1.1-extension-of-last-chunk", "likewise", chunked(b"3\r\nabc\r\n0;a=b\r\n\r\n"), POSTED),
    *(
        bad(
            f"9112-7.1.1-extension-{name}",
            "; token [ = ( token / quoted-string ) ]",
            chunked(b"3" + text + b"\r\nabc\r\n" + END),
        )
        for name, text in _BAD_EXTENSIONS.items()
    ),
    ok(
        "9112-7.1.1-line-at-its-bound",
        "256 bytes of a chunk's line are taken, CR LF included",
        chunked(b"3;" + b"a" * 252 + b"\r\nabc\r\n" + END),
        POSTED,
    ),
    bad("9112-7.1.1-line-over-its-bound", "extensions are limited", chunked(b"3;" + b"a" * 255 + b"\r\nabc\r\n" + END)),
    bad("9112-7.1.1-line-without-end", "likewise", chunked(b"3;" + b"a" * 4_000)),
    bad("9112-7.1.1-many-extensions", "in sum, too", chunked((b"1;" + b"a" * 200 + b"\r\nx\r\n") * 100 + END)),
    # ---- trailers ----
    ok(
        "9112-7.1.2-trailer",
        "fields behind the last chunk are trailers",
        trailed(b"X-A: 1\r\n"),
        Seen("POST", fields={"x-a": None}, body=b"abc", trailers={"x-a": "1"}),
    ),
    ok(
        "9112-7.1.2-two-trailers",
        "several of them",
        trailed(b"X-A: 1\r\nx-b:2\r\n"),
        Seen("POST", fields={"x-a": None}, body=b"abc", trailers={"x-a": "1", "x-b": "2"}),
    ),
    ok(
        "9112-7.1.2-trailer-announced",
        "Trailer announces them, and goes no further",
        chunked(b"3\r\nabc\r\n0\r\nX-A: 1\r\n\r\n", "Trailer: X-A"),
        Seen("POST", fields={"trailer": None}, body=b"abc", trailers={"x-a": "1"}),
    ),
    ok(
        "9110-6.5.1-trailer-empty-value",
        "a value may be empty",
        trailed(b"X-A:\r\n"),
        Seen("POST", body=b"abc", trailers={"x-a": ""}),
    ),
    *(
        ok(
            f"9110-6.5.1-trailer-{line.split(':')[0].lower()}",
            "what frames, routes or identifies is never a trailer",
            trailed(line.encode() + b"\r\n"),
            Seen("POST", fields={"host": "edge"}, body=b"abc", trailers={line.split(":")[0].lower(): None}),
        )
        for line in _NO_TRAILERS
    ),
    *(
        bad(f"9112-7.1.2-trailer-{name}", "a trailer has the form of a field", trailed(lines))
        for name, lines in _BAD_TRAILERS.items()
    ),
]
