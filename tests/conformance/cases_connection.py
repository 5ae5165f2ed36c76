"""What is of one hop: Connection and what it names, Upgrade, Expect, TE; and pipelines (RFC 9110, 7.6, 7.8, 10.1)."""

from corpus import EMPTY_POST, POSTED, Case, Line, Seen, bad, get, lines, ok, post

_HOP_FIELDS: dict[str, Line] = {
    "keep-alive": "Keep-Alive: timeout=5",
    "proxy-connection": "Proxy-Connection: keep-alive",
    "te": "TE: trailers",
    "trailer": "Trailer: x-a",
    "upgrade": "Upgrade: websocket",
}

_NEVER_NOMINATED = (
    *("Host", "Content-Length", "Transfer-Encoding", "X-Tenant-Id", "X-Request-Id", "X-Correlation-Id", "Traceparent"),
    *("Tracestate", "X-Request-Timeout-Ms", "X-Forwarded-For", "Forwarded", "X-Real-Ip"),
)


def seen(**fields: str | None) -> Seen:
    return Seen(fields={name.replace("_", "-"): value for name, value in fields.items()})


ABC = post("Content-Length: 3", body=b"abc")

CASES: list[Case] = [
    # ---- Connection ----
    ok(
        "9112-9.6-close",
        "the connection ends after the answer",
        get("Connection: close"),
        seen(connection=None),
        closes=True,
    ),
    ok(
        "9112-9.6-close-then-request",
        "what follows close is not looked at",
        get("Connection: close") + get(),
        Seen(),
        closes=True,
    ),
    ok("9112-9.6-close-then-garbage", "whatever it is", get("Connection: close") + b"\0\0\0", Seen(), closes=True),
    ok("9112-9.6-close-case", "options are not case-sensitive", get("connection: CLOSE"), closes=True),
    ok("9112-9.6-close-in-list", "wherever it stands", get("Connection: x-a, close"), closes=True),
    ok("9112-9.6-close-second-line", "in whichever line", get("Connection: x-a", "Connection: close"), closes=True),
    ok("9112-9.6-close-and-keep-alive", "close wins", get("Connection: keep-alive, close"), closes=True),
    ok(
        "9112-9.6-close-with-body",
        "after a body, too",
        post("Content-Length: 3", "Connection: close", body=b"abc"),
        POSTED,
        closes=True,
    ),
    ok("9112-9.3-keep-alive", "what is kept anyway", get("Connection: keep-alive"), seen(connection=None)),
    ok("9112-9.3-closed", "only the word itself is close", get("Connection: closed"), seen(connection=None)),
    ok("9110-7.6.1-empty", "an empty list names nothing", get("Connection:"), seen(connection=None)),
    ok(
        "9110-7.6.1-empty-elements",
        "empty elements are nothing",
        get("Connection: , ,keep-alive,,"),
        seen(connection=None),
    ),
    ok(
        "9110-7.6.1-nominated",
        "what Connection names goes no further",
        get("Connection: x-a", "X-A: 1", "X-B: 2"),
        seen(connection=None, x_a=None, x_b="2"),
    ),
    ok("9110-7.6.1-nominated-before", "wherever it stands", get("X-A: 1", "Connection: x-a"), seen(x_a=None)),
    ok("9110-7.6.1-nominated-case", "in whatever case", get("Connection: X-a", "x-A: 1"), seen(x_a=None)),
    ok(
        "9110-7.6.1-nominated-twice-there",
        "each line of that name",
        get("X-A: 1", "Connection: x-a", "X-A: 2"),
        seen(x_a=None),
    ),
    ok(
        "9110-7.6.1-nominated-several",
        "each name of the list",
        get("Connection: x-a,\tx-b , x-c", "X-A: 1", "X-B: 2", "X-C: 3"),
        seen(x_a=None, x_b=None, x_c=None),
    ),
    ok(
        "9110-7.6.1-nominated-two-lines",
        "each line of Connection",
        get("Connection: x-a", "Connection: x-b", "X-A: 1", "X-B: 2"),
        seen(x_a=None, x_b=None),
    ),
    ok(
        "9110-7.6.1-nominated-not-there",
        "what is not there is not missed",
        get("Connection: x-a"),
        seen(connection=None),
    ),
    ok("9110-7.6.1-nominated-part-of-name", "only the whole name", get("Connection: x-a", "X-Ab: 1"), seen(x_ab="1")),
    ok(
        "9110-7.6.1-keep-alive-with-body",
        "before a body, too",
        post("Connection: x-a", "X-A: 1", "Content-Length: 3", body=b"abc"),
        Seen("POST", fields={"x-a": None}, body=b"abc"),
    ),
    *(
        bad(
            f"9110-7.6.1-nominates-{name.lower()}",
            "what frames, routes or identifies is for all hops",
            get(f"Connection: {name}"),
        )
        for name in _NEVER_NOMINATED
    ),
    *(
        ok(
            f"9110-7.6.1-hop-{name}",
            "fields of one hop go no further, named or not",
            get(line),
            Seen(fields={name: None}),
        )
        for name, line in _HOP_FIELDS.items()
    ),
    ok("9110-10.1.4-te-nominated", "TE is named by Connection", get("Connection: te", "TE: trailers"), seen(te=None)),
    ok(
        "9110-10.1.4-te-gzip",
        "no coding but chunked is sent back",
        get("Connection: te", "TE: gzip;q=1"),
        seen(te=None),
    ),
    # ---- Upgrade: this endpoint allows none ----
    ok(
        "9110-7.8-websocket-not-offered",
        "an upgrade may be ignored",
        get(
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        ),
        seen(upgrade=None, connection=None),
    ),
    ok(
        "9110-7.8-h2c",
        "h2c is never forwarded",
        get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
        seen(upgrade=None, http2_settings=None),
    ),
    ok(
        "9110-7.8-h2c-with-body",
        "nor with a body",
        post("Connection: Upgrade", "Upgrade: h2c", "Content-Length: 3", body=b"abc"),
        Seen("POST", fields={"upgrade": None}, body=b"abc"),
    ),
    ok(
        "9110-7.8-unknown",
        "an unknown protocol is ignored",
        get("Connection: upgrade", "Upgrade: foo/2"),
        seen(upgrade=None),
    ),
    ok("9110-7.8-several", "so are several", get("Connection: upgrade", "Upgrade: foo, bar/1"), seen(upgrade=None)),
    ok("9110-7.8-not-nominated", "Upgrade without Connection is none", get("Upgrade: websocket"), seen(upgrade=None)),
    ok("9110-7.8-connection-alone", "and the reverse", get("Connection: upgrade"), seen(connection=None)),
    ok(
        "9110-7.8-http-1.0",
        "Upgrade in HTTP/1.0 is ignored",
        lines("GET /echo HTTP/1.0", "Host: edge", "Connection: upgrade", "Upgrade: websocket"),
        seen(upgrade=None),
        closes=True,
    ),
    # ---- Expect ----
    ok(
        "9110-10.1.1-continue",
        "100-continue is answered, with 100 or at once",
        post("Expect: 100-continue", "Content-Length: 3", body=b"abc"),
        POSTED,
    ),
    ok(
        "9110-10.1.1-continue-case",
        "in any case",
        post("Expect: 100-CONTINUE", "Content-Length: 3", body=b"abc"),
        POSTED,
    ),
    ok(
        "9110-10.1.1-continue-no-body",
        "without a body there is nothing to wait for",
        get("Expect: 100-continue"),
        Seen(),
    ),
    ok(
        "9110-10.1.1-continue-chunked",
        "before a chunked body, too",
        post("Expect: 100-continue", "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"),
        POSTED,
    ),
    ok(
        "9110-10.1.1-continue-http-1.0",
        "in HTTP/1.0 it is ignored",
        lines("POST /echo HTTP/1.0", "Expect: 100-continue", "Content-Length: 3") + b"abc",
        POSTED,
        closes=True,
    ),
    *(
        bad(
            f"9110-10.1.1-{name}",
            "another expectation cannot be met",
            post(f"Expect: {value}", "Content-Length: 3", body=b"abc"),
            417,
        )
        for name, value in {
            "other": "tea",
            "list": "100-continue, tea",
            "parameter": "100-continue;a=b",
            "101": "101-continue",
            "value": "100-continue=1",
        }.items()
    ),
    # ---- pipelines ----
    ok(
        "9112-9.3.2-two",
        "answers come in the order of the requests",
        get(target="/echo/1") + get(target="/echo/2"),
        Seen(target="/echo/1"),
        Seen(target="/echo/2"),
    ),
    ok(
        "9112-9.3.2-ten",
        "however many",
        b"".join(get(target=f"/echo/{number}") for number in range(10)),
        *(Seen(target=f"/echo/{number}") for number in range(10)),
    ),
    ok("9112-9.3.2-bodies", "with and without bodies", ABC + get() + ABC, POSTED, Seen(), POSTED),
    ok(
        "9112-9.3.2-head-between",
        "an answer to HEAD has no body",
        get() + lines("HEAD /echo HTTP/1.1", "Host: edge") + get(),
        Seen(),
        Seen("HEAD"),
        Seen(),
    ),
    ok(
        "9112-9.3.2-lanes-between",
        "whichever way each is carried",
        get() + get("Connection: x-a", target="/echo/2") + get(target="/echo/3"),
        Seen(),
        Seen(target="/echo/2"),
        Seen(target="/echo/3"),
    ),
    ok(
        "9112-9.3.2-not-found-between",
        "an answer of the gateway's own keeps its place",
        get() + get(target="/a/b/c/d") + get(),
        Seen(),
        404,
        Seen(),
    ),
    bad(
        "9112-9.3.2-bad-after-good", "nothing is served after a refusal", get() + get("X A: 1") + get(), before=[Seen()]
    ),
    bad("9112-9.3.2-bad-after-body", "likewise", ABC + get("Host: edge") + get(), before=[POSTED]),
    bad("9112-9.3.2-body-too-long", "bytes behind a body are the next request", ABC + b"d\r\n\r\n", before=[POSTED]),
    bad(
        "9112-9.3.2-line-ends-between",
        "an empty line behind a body is taken by the tolerant alone",
        ABC + b"\r\n" + get(),
        before=[POSTED],
        tolerant=Seen(),
    ),
    ok(
        "9110-9.3.2-head",
        "HEAD is answered as GET, without the body",
        lines("HEAD /echo HTTP/1.1", "Host: edge"),
        Seen("HEAD"),
    ),
    ok(
        "9110-9.3.7-options",
        "OPTIONS of a path is for the service",
        lines("OPTIONS /echo HTTP/1.1", "Host: edge"),
        Seen("OPTIONS"),
    ),
    ok("9110-9.3.3-post-no-length", "no length is no body", post(), EMPTY_POST),
]
