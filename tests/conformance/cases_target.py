"""The request target: its four forms (RFC 9112, 3.2), Host (RFC 9110, 7.2), and the path's normal form."""

from corpus import Case, Line, Seen, bad, get, lines, ok


def absolute(target: Line, *fields: Line, host: str = "other", method: str = "GET") -> bytes:
    """Return a request with a target in absolute form; its Host says something else."""
    target = target if isinstance(target, bytes) else target.encode("latin-1")
    return lines(method.encode() + b" " + target + b" HTTP/1.1", f"Host: {host}", *fields)


def seen(target: str, **fields: str | None) -> Seen:
    return Seen(target=target, fields=fields)


_BAD_TARGETS: dict[str, Line] = {
    "fragment": "/echo#part",
    "no-slash": "echo",
    "query-alone": "?a=1",
    "percent-alone": "/echo%",
    "percent-one-digit": "/echo%4",
    "percent-no-hex": "/echo%zz",
    "percent-in-query": "/echo?a=%4",
    "backslash": "/echo\\x",
    "control": "/ec\x01ho",
    "nul": "/ec\0ho",
    "delete": "/ec\x7fho",
    "high-byte": b"/ec\xc3\xa9ho",
    "quotes": '/"echo"',
    "less-than": "/<echo>",
    "braces-in-path": "/{echo}",
    "pipe-in-path": "/a|b",
    "caret-in-path": "/a^b",
    "backtick-in-path": "/a`b",
    "brackets-in-path": "/a[b]",
    "less-than-in-query": "/echo?<a>",
    "quotes-in-query": '/echo?"a"',
}

_NORMAL_FORMS = {
    "encoded-letter": ("/%65cho", "/echo"),
    "encoded-letters": ("/%65%63%68%6F", "/echo"),
    "encoded-tilde": ("/echo/%7Ea", "/echo/~a"),
    "hexadecimal-digits": ("/echo/%c3%a9", "/echo/%C3%A9"),
    "not-a-dot-segment": ("/echo/...", "/echo/..."),
    "dots-in-name": ("/echo/a..b", "/echo/a..b"),
    "parameter": ("/echo/...;a..;b=1", "/echo/...;a..;b=1"),
    "dots-in-query": ("/echo?a=/../b/./c//d", "/echo?a=/../b/./c//d"),
    "encoded-letter-in-query": ("/echo?a=%65", "/echo?a=%65"),
    "encoded-separator-in-query": ("/echo?a=%2F%2e%2E%5c%00", "/echo?a=%2F%2e%2E%5c%00"),
    "encoded-space": ("/echo/a%20b", "/echo/a%20b"),
    "encoded-utf-8": ("/echo/%C3%A9", "/echo/%C3%A9"),
    "encoded-percent": ("/echo/%2565", "/echo/%2565"),
}

# What the strict mode refuses, as it can be read in two ways, and what the tolerant mode makes of it.
_AMBIGUOUS: dict[str, tuple[str, str | None]] = {
    "dot": ("/./echo", "/echo"),
    "dot-dot": ("/a/../echo", "/echo"),
    "dot-dot-inside": ("/echo/a/b/../c", "/echo/a/c"),
    "dot-dot-twice": ("/a/b/../../echo", "/echo"),
    "encoded-dots": ("/a/%2e%2e/echo", "/echo"),
    "encoded-dots-upper-case": ("/a/%2E%2E/echo", "/echo"),
    "encoded-dot-and-dot": ("/a/.%2e/echo", "/echo"),
    "above-the-root": ("/../echo", None),
    "above-the-root-encoded": ("/%2e%2e/echo", None),
    "above-the-root-later": ("/a/../../echo", None),
    "dots-with-parameter": ("/echo/..;/a", None),
    "dots-with-parameter-encoded": ("/echo/%2e%2e;x=1/a", None),
    "dots-with-encoded-parameter": ("/echo/..%3Bx", None),
    "dot-with-parameter": ("/echo/.;", None),
    "empty-segment": ("/echo//a", "/echo/a"),
    "empty-first-segment": ("//echo", "/echo"),
    "empty-segments": ("///echo///a", "/echo/a"),
    "encoded-slash": ("/echo/a%2Fb", "/echo/a%2Fb"),
    "encoded-slash-lower-case": ("/echo/a%2fb", "/echo/a%2Fb"),
    "encoded-backslash": ("/echo/a%5Cb", "/echo/a%5Cb"),
    "encoded-dots-and-backslash": ("/echo/..%5cb", "/echo/..%5Cb"),
    "encoded-nul": ("/echo/a%00", None),
    "encoded-line-end": ("/echo/a%0d%0ab", "/echo/a%0D%0Ab"),
    "encoded-control": ("/echo/a%01", "/echo/a%01"),
    "encoded-delete": ("/echo/a%7f", "/echo/a%7F"),
}

_GOOD_HOSTS = {
    "name": "edge.example",
    "port": "edge:80",
    "ipv4": "127.0.0.1",
    "ipv4-port": "127.0.0.1:8080",
    "ipv6": "[::1]",
    "ipv6-port": "[2001:db8::1]:443",
    "upper-case": "EDGE",
    "underscore": "my_edge",
    "encoded": "%65dge",
    "sub-delims": "a!$&'()*+,;=b",
}

_BAD_HOSTS: dict[str, Line] = {
    "empty": "",
    "white-space-alone": "  ",
    "space-inside": "ed ge",
    "tab-inside": "ed\tge",
    "slash": "edge/",
    "path": "edge/echo",
    "query": "edge?a",
    "fragment": "edge#a",
    "backslash": "edge\\",
    "user": "user@edge",
    "scheme": "http://edge",
    "port-no-number": "edge:8o",
    "port-negative": "edge:-1",
    "port-too-long": "edge:123456",
    "two-ports": "edge:80:80",
    "port-alone": ":80",
    "bracket-open": "[::1",
    "bracket-closed": "::1]",
    "bracket-no-address": "[edge]",
    "bracket-empty": "[]",
    "behind-bracket": "[::1]x",
    "ipv6-bare": "::1",
    "high-byte": b"\xe9dge",
    "percent": "ed%ge",
    "quotes": '"edge"',
    "nul": "ed\0ge",
}

CASES: list[Case] = [
    # ---- origin form ----
    ok(
        "9112-3.2.1-query",
        "origin-form is absolute-path [ ? query ]",
        get(target="/echo?a=1&b=2"),
        seen("/echo?a=1&b=2"),
    ),
    ok("9112-3.2.1-empty-query", "an empty query is a query", get(target="/echo?"), seen("/echo?")),
    ok("9112-3.2.1-query-marks", "a query may hold / and ?", get(target="/echo?/a?b"), seen("/echo?/a?b")),
    ok("9112-3.2.1-root", "an empty path is sent as /", get(target="/"), seen("/")),
    ok(
        "9112-3.2.1-path-characters",
        "all of pchar",
        get(target="/echo/-._~!$&'()*+,;=:@"),
        seen("/echo/-._~!$&'()*+,;=:@"),
    ),
    ok(
        "9112-3.2.1-query-of-browsers",
        "what browsers do not encode in queries",
        get(target="/echo?{|}^[]`\\"),
        seen("/echo?{|}^[]`\\"),
    ),
    *(
        bad(
            f"9112-3.2-target-{name}",
            "a target is of one of the four forms, by the grammar of RFC 3986",
            get(target=target),
        )
        for name, target in _BAD_TARGETS.items()
    ),
    *(
        ok(
            f"9110-4.2.3-normal-{name}",
            "the path has one normal form; the query is left as it came",
            get(target=sent),
            seen(target),
        )
        for name, (sent, target) in _NORMAL_FORMS.items()
    ),
    *(
        bad(
            f"9110-4.2.3-ambiguous-{name}",
            "a path that could be read in two ways is refused, or brought into its normal form",
            get(target=sent),
            tolerant=None if target is None or target.endswith("/") else seen(target),
        )
        for name, (sent, target) in _AMBIGUOUS.items()
    ),
    ok("9110-4.2.3-last-segment-empty", "a slash at the end is another path", get(target="/echo/"), 404),
    # ---- absolute form ----
    ok(
        "9112-3.2.2-absolute",
        "absolute-form is taken, and its authority replaces Host",
        absolute("http://edge/echo"),
        seen("/echo", host="edge"),
    ),
    ok(
        "9112-3.2.2-absolute-same-host",
        "likewise where both agree",
        absolute("http://edge/echo", host="edge"),
        seen("/echo", host="edge"),
    ),
    ok(
        "9112-3.2.2-absolute-port",
        "likewise with a port",
        absolute("http://edge:8080/echo?a=1"),
        seen("/echo?a=1", host="edge:8080"),
    ),
    ok(
        "9112-3.2.2-absolute-ipv6",
        "likewise with an address",
        absolute("http://[::1]:80/echo"),
        seen("/echo", host="[::1]:80"),
    ),
    ok(
        "9112-3.2.2-absolute-scheme-case",
        "a scheme is not case-sensitive",
        absolute("HTTP://edge/echo"),
        seen("/echo", host="edge"),
    ),
    ok("9112-3.2.2-absolute-no-path", "an empty path is /", absolute("http://edge"), seen("/", host="edge")),
    ok(
        "9112-3.2.2-absolute-query-no-path",
        "an empty path is /",
        absolute("http://edge?a=1"),
        seen("/?a=1", host="edge"),
    ),
    bad(
        "9112-3.2.2-absolute-dots",
        "its path has to be as unambiguous",
        absolute("http://edge/a/../echo"),
        tolerant=seen("/echo", host="edge"),
    ),
    bad("9110-7.4-absolute-https", "https must not come over what is not secured", absolute("https://edge/echo"), 421),
    bad("9110-4.2-absolute-other-scheme", "no other scheme is served", absolute("ftp://edge/echo")),
    bad("9112-3.2.2-absolute-no-host-field", "Host is needed all the same", lines("GET http://edge/echo HTTP/1.1")),
    bad("9112-3.2.2-absolute-two-host-fields", "and only one of it", absolute("http://edge/echo", "Host: edge")),
    bad("9110-4.2.1-absolute-empty-authority", "an http URI with an empty host is invalid", absolute("http:///echo")),
    bad("9110-4.2.1-absolute-port-alone", "likewise", absolute("http://:80/echo")),
    bad("9110-4.2.4-absolute-user", "userinfo in a URI from elsewhere is an error", absolute("http://user@edge/echo")),
    bad("9110-4.2.4-absolute-user-and-password", "likewise", absolute("http://edge:80@other/echo")),
    bad("9112-3.2.2-absolute-one-slash", "no authority", absolute("http:/echo")),
    bad("9112-3.2.2-absolute-fragment", "a fragment is not part of absolute-form", absolute("http://edge/echo#a")),
    bad("9112-3.2.2-absolute-backslash", "a backslash ends no authority", absolute("http://edge\\@other/echo")),
    bad("9112-3.2.2-absolute-bad-port", "a port is digits", absolute("http://edge:8o/echo")),
    # ---- authority form and asterisk form ----
    bad("9112-3.2.3-authority-form", "authority-form is for CONNECT alone", get(target="edge:80")),
    ok(
        "9112-3.2.4-asterisk",
        "OPTIONS * is about the server, which answers itself",
        lines("OPTIONS * HTTP/1.1", "Host: edge"),
        204,
    ),
    ok(
        "9112-3.2.4-absolute-without-path",
        "so is OPTIONS of an authority alone",
        absolute("http://edge", method="OPTIONS"),
        204,
    ),
    ok(
        "9112-3.2.4-absolute-with-slash",
        "but not of its root",
        absolute("http://edge/", method="OPTIONS"),
        Seen("OPTIONS", target="/", fields={"host": "edge"}),
    ),
    bad("9112-3.2.4-asterisk-get", "asterisk-form is for OPTIONS alone", get(target="*")),
    bad("9112-3.2.4-asterisk-post", "likewise", lines("POST * HTTP/1.1", "Host: edge")),
    bad("9112-3.2.4-two-asterisks", "the asterisk is the whole target", lines("OPTIONS ** HTTP/1.1", "Host: edge")),
    bad("9112-3.2.4-asterisk-query", "likewise", lines("OPTIONS *?a HTTP/1.1", "Host: edge")),
    # ---- Host ----
    bad("9112-3.2-host-missing", "HTTP/1.1 needs Host", lines("GET /echo HTTP/1.1")),
    bad("9112-3.2-host-missing-other-fields", "HTTP/1.1 needs Host", lines("GET /echo HTTP/1.1", "X-A: 1")),
    bad("9112-3.2-host-twice", "only one Host", get("Host: other")),
    bad("9112-3.2-host-twice-the-same", "even if both agree", get("Host: edge")),
    bad("9112-3.2-host-twice-other-case", "in whatever case", get("hOST: edge")),
    bad("9112-3.2-host-twice-apart", "wherever it is", get("X-A: 1", "X-B: 2", "Host: edge")),
    bad("9112-3.2-host-1.0-twice", "also in HTTP/1.0", lines("GET /echo HTTP/1.0", "Host: edge", "Host: edge")),
    ok("9112-3.2-host-1.0-missing", "HTTP/1.0 needs none", lines("GET /echo HTTP/1.0"), closes=True),
    ok("9112-3.2-host-last", "Host should be first, and need not", lines("GET /echo HTTP/1.1", "X-A: 1", "Host: edge")),
    ok("9112-3.2-host-lower-case", "names are not case-sensitive", lines("GET /echo HTTP/1.1", "host:edge")),
    *(
        ok(f"9110-7.2-host-{name}", "Host is uri-host [ : port ]", get(host=host), seen("/echo", host=host))
        for name, host in _GOOD_HOSTS.items()
    ),
    *(
        bad(
            f"9110-7.2-host-{name}",
            "an invalid Host is answered 400",
            lines("GET /echo HTTP/1.1", b"Host: " + (host if isinstance(host, bytes) else host.encode("latin-1"))),
        )
        for name, host in _BAD_HOSTS.items()
    ),
    bad("9110-7.2-host-port-empty", "a port is at least one digit; the grammar also allows none", get(host="edge:")),
]
