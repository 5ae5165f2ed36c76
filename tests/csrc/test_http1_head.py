"""The head scanner's verdicts: each rule of RFC 9110 and RFC 9112 that it holds requests to."""

import pytest
from http1_support import DEFAULT_LIMITS, SEEDS, Limits, find_end, scan_head

from frames._native import ffi, lib

HOST = b"Host: a\r\n"


def request(line: bytes = b"GET / HTTP/1.1", *fields: bytes, host: bytes = HOST) -> bytes:
    return line + b"\r\n" + host + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def verdict_on(data: bytes, limits: Limits = DEFAULT_LIMITS) -> str:
    return scan_head(data, limits).verdict


def test_a_plain_head_is_read_whole() -> None:
    head = scan_head(
        b"PUT /a%20b/c?d=e&f HTTP/1.1\r\nHost: a.b:80\r\nX-One:\t 1 2 \t\r\ncontent-length: 5\r\nX-Empty:\r\n\r\n"
    )
    assert head == (
        "PLAIN",
        b"PUT",
        b"/a%20b/c?d=e&f",
        b"/a%20b/c",
        ((b"host", b"a.b:80"), (b"x-one", b"1 2"), (b"content-length", b"5"), (b"x-empty", b"")),
        5,
        lib.HEAD_HAS_LENGTH,
        5,
    )


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"])
def test_each_method_of_the_protocol_is_plain(method: bytes) -> None:
    head = scan_head(request(method + b" / HTTP/1.1"))
    assert (head.verdict, head.method) == ("PLAIN", method)


@pytest.mark.parametrize(
    ("line", "verdict"),
    [
        (b"TRACE / HTTP/1.1", "UNUSUAL_METHOD"),
        (b"Get / HTTP/1.1", "UNUSUAL_METHOD"),
        (b"G(T / HTTP/1.1", "BAD_METHOD"),
        (b" GET / HTTP/1.1", "BAD_METHOD"),
        (b"GET\t/ HTTP/1.1", "BAD_METHOD"),
        (b"", "BAD_METHOD"),
        (b"GET", "BAD_TARGET"),
        (b"GET  HTTP/1.1", "BAD_TARGET"),
        (b"GET /a\tb HTTP/1.1", "BAD_TARGET"),
        (b"GET /a%zz HTTP/1.1", "BAD_TARGET"),
        (b"GET /a?b=100% HTTP/1.1", "BAD_TARGET"),
        (b"GET /a#b HTTP/1.1", "BAD_TARGET"),
        (b'GET /a?"b" HTTP/1.1', "BAD_TARGET"),
        (b"GET /a?<b> HTTP/1.1", "BAD_TARGET"),
        (b"GET /a|b HTTP/1.1", "BAD_TARGET"),
        (b"GET /a\\b HTTP/1.1", "BAD_TARGET"),
        (b"GET /caf\xc3\xa9 HTTP/1.1", "BAD_TARGET"),
        (b"GET a/b HTTP/1.1", "BAD_TARGET"),
        (b"GET http://a/#b HTTP/1.1", "BAD_TARGET"),
        (b"GET http://a/b HTTP/1.1", "UNUSUAL_TARGET"),
        (b"CONNECT a:443 HTTP/1.1", "UNUSUAL_METHOD"),
        (b"GET [::1]:443 HTTP/1.1", "UNUSUAL_TARGET"),
        (b"OPTIONS * HTTP/1.1", "UNUSUAL_TARGET"),
        (b"GET //a HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /a/ HTTP/1.1", "PLAIN"),
        (b"GET /a// HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /. HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /.. HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /../a HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /a/..?b HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /a/..;/b HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /.;x=y HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /..%3B/b HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /a;x/...;/b..; HTTP/1.1", "PLAIN"),
        (b"GET /.well-known/..a/.../b. HTTP/1.1", "PLAIN"),
        (b"GET /a?//../%2f%00 HTTP/1.1", "PLAIN"),
        (b"GET /a%2Fb HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /a%5cb HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /%2e%2E/ HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /a%00 HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /a%25%2B%C3%A9%20 HTTP/1.1", "PLAIN"),
        (b"GET /a%2b HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /a%b0 HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /a%0A HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /a%7F HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /a?%c3%0a HTTP/1.1", "PLAIN"),
        (b"GET /%41 HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /a%7e?%41 HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /a%2D%5f%30%7A HTTP/1.1", "UNUSUAL_PATH"),
        (b"GET /a?%41%7e HTTP/1.1", "PLAIN"),
        (b"GET /a:b@c;d=e,f!$&'()*+~ HTTP/1.1", "PLAIN"),
        (b"GET /a?{b}|c^d\\e[f]`g/?h HTTP/1.1", "PLAIN"),
        (b"GET / HTTP/1.0", "UNUSUAL_VERSION"),
        (b"GET / HTTP/1.9", "UNSUPPORTED_VERSION"),
        (b"GET / HTTP/2.0", "UNSUPPORTED_VERSION"),
        (b"GET / HTTP/0.9", "UNSUPPORTED_VERSION"),
        (b"GET /", "UNSUPPORTED_VERSION"),
        (b"GET / http/1.1", "BAD_VERSION"),
        (b"GET / HTTP/1.1 ", "BAD_VERSION"),
        (b"GET / HTTP/1", "BAD_VERSION"),
        (b"GET / ICAP/1.1", "BAD_VERSION"),
        (b"GET / HTTP/1.1\r", "BAD_LINE_END"),
    ],
)
def test_request_lines(line: bytes, verdict: str) -> None:
    assert verdict_on(request(line)) == verdict


@pytest.mark.parametrize(
    ("field", "verdict"),
    [
        (b"X: a\r\n b", "BAD_FIELD_NAME"),
        (b"X : a", "BAD_FIELD_NAME"),
        (b": a", "BAD_FIELD_NAME"),
        (b"X a", "BAD_FIELD_NAME"),
        (b"X\x80: a", "BAD_FIELD_NAME"),
        (b"(X): a", "BAD_FIELD_NAME"),
        (b"X: a\x00b", "BAD_FIELD_VALUE"),
        (b"X: a\x7fb", "BAD_FIELD_VALUE"),
        (b"X: a\rb", "BAD_LINE_END"),
        (b"X: a\nY: b", "BAD_LINE_END"),
        (b"X: \xff\x80\t~", "PLAIN"),
        (b"X" * 256 + b": a", "FIELD_NAME_TOO_LONG"),
        (b"Host: a", "BAD_HOST"),
        (b"Content-Length: 5", "PLAIN"),
        (b"Content-Length: 005", "PLAIN"),
        (b"Content-Length:", "BAD_CONTENT_LENGTH"),
        (b"Content-Length: -5", "BAD_CONTENT_LENGTH"),
        (b"Content-Length: 0x5", "BAD_CONTENT_LENGTH"),
        (b"Content-Length: 5 5", "BAD_CONTENT_LENGTH"),
        (b"Content-Length: 5,5", "BAD_CONTENT_LENGTH"),
        (b"Content-Length: 5\r\nContent-Length: 5", "BAD_CONTENT_LENGTH"),
        (b"Content-Length: 9007199254740992", "UNUSUAL_BODY"),
        (b"Content-Length: 9007199254740993", "BAD_CONTENT_LENGTH"),
        (b"Content-Length: 18446744073709551617", "BAD_CONTENT_LENGTH"),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked", "LENGTH_AND_ENCODING"),
        (b"Transfer-Encoding:\r\nContent-Length: 0", "LENGTH_AND_ENCODING"),
        (b"Transfer-Encoding: chunked", "UNUSUAL_ENCODING"),
        (b"Transfer-Encoding: Chunked", "UNUSUAL_ENCODING"),
        (b"Transfer-Encoding: gzip", "BAD_ENCODING"),
        (b"Transfer-Encoding: gzip, chunked", "UNKNOWN_ENCODING"),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "BAD_ENCODING"),
        (b"Transfer-Encoding: chunked, chunked", "BAD_ENCODING"),
        (b"Transfer-Encoding:", "BAD_ENCODING"),
        (b"Expect:", "UNUSUAL_EXPECT"),
        (b"Expect: 100-Continue", "UNUSUAL_EXPECT"),
        (b"Expect: 100-continue, 200-ok", "BAD_EXPECT"),
        (b"Expect: nothing", "BAD_EXPECT"),
        (b"Upgrade: h2c", "UNUSUAL_UPGRADE"),
        (b"Connection: close", "PLAIN"),
        (b"Connection: Keep-Alive , ,", "PLAIN"),
        (b"Connection: close, CLOSE", "PLAIN"),
        (b"Connection:", "PLAIN"),
        (b"Connection: close, keep-alive", "UNUSUAL_CONNECTION"),
        (b"Connection: close\r\nConnection: keep-alive", "UNUSUAL_CONNECTION"),
        (b"Connection: x-tenant-id", "BAD_CONNECTION"),
        (b"Connection: X_Forwarded_For", "BAD_CONNECTION"),
        (b"Connection: content-length", "BAD_CONNECTION"),
        (b"Connection: te, x-hop", "UNUSUAL_CONNECTION"),
        (b"X-Forwarded-For: a\r\nX-Real-Ip: b\r\nx_tenant_id: c", "PLAIN"),
        (b"Connection: close;", "BAD_CONNECTION"),
        (b"Connection: close\x01", "BAD_FIELD_VALUE"),
        (b"TE: trailers\r\nTrailer: x\r\nKeep-Alive: 5\r\nProxy-Connection: x", "PLAIN"),
    ],
)
def test_fields(field: bytes, verdict: str) -> None:
    assert verdict_on(request(b"GET / HTTP/1.1", field)) == verdict


@pytest.mark.parametrize(
    "value", [b"a", b"a.example:1", b"127.0.0.1:65535", b"[::1]", b"[2001:db8::1.2.3.4]:80", b"a_b~c%41"]
)
def test_hosts(value: bytes) -> None:
    assert verdict_on(request(host=b"Host: " + value + b"\r\n")) == "PLAIN"


@pytest.mark.parametrize(
    "value",
    [
        *(b"", b" ", b":80", b"a:", b"a:8x", b"a:123456", b"a:80:80", b"a b", b"a/b", b"a@b", b"a?b", b"a%4", b"a%zz"),
        *(b"[", b"[]", b"[::1", b"[::g]", b"[::1]a", b"[v1.a]", b"\xc3\xa9"),
    ],
)
def test_what_is_no_host(value: bytes) -> None:
    assert verdict_on(request(host=b"Host: " + value + b"\r\n")) == "BAD_HOST"


def test_host_must_be_there_but_for_http_1_0() -> None:
    assert verdict_on(request(host=b"")) == "BAD_HOST"
    assert verdict_on(request(b"GET / HTTP/1.0", host=b"")) == "UNUSUAL_VERSION"
    assert verdict_on(request(b"GET / HTTP/1.0", HOST[:-2])) == "BAD_HOST"


@pytest.mark.parametrize(
    ("name", "flag", "twice"),
    [
        (b"X-Tenant-Id", "TENANT", "BAD_CONTEXT"),
        (b"X-Correlation-Id", "CORRELATION_ID", "BAD_CONTEXT"),
        (b"X-Request-Id", "REQUEST_ID", "BAD_CONTEXT"),
        (b"traceparent", "TRACEPARENT", "PLAIN"),  # whoever asks for it finds that several are no trace
        (b"tracestate", "TRACESTATE", "PLAIN"),  # several are one list
        (b"X-Request-Timeout-Ms", "REQUEST_TIMEOUT", "BAD_CONTEXT"),
    ],
)
def test_a_context_field_is_seen_and_comes_once(name: bytes, flag: str, twice: str) -> None:
    field = name + b": 1"
    assert scan_head(request(b"GET / HTTP/1.1", field)).flags == getattr(lib, f"HEAD_HAS_{flag}")
    assert verdict_on(request(b"GET / HTTP/1.1", field, field.swapcase())) == twice
    assert scan_head(request(b"GET / HTTP/1.1", field[:-3] + b"x: 1", b"x" + field)).flags == 0


def test_close_is_seen() -> None:
    assert scan_head(request(b"GET / HTTP/1.1", b"Connection: ,Close")).flags == lib.HEAD_CLOSE
    assert scan_head(request(b"GET / HTTP/1.0")).flags & lib.HEAD_CLOSE
    assert not scan_head(request(b"GET / HTTP/1.0", b"Connection: keep-alive")).flags & lib.HEAD_CLOSE


def test_an_unusual_head_is_read_whole() -> None:
    head = scan_head(request(b"GET http://b/?c HTTP/1.1", b"Upgrade: websocket", b"Connection: Upgrade", b"X: y"))
    assert head == (
        "UNUSUAL_TARGET",
        b"GET",
        b"http://b/?c",
        b"",
        ((b"host", b"a"), (b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"x", b"y")),
        0,
        lib.HEAD_ODD | lib.HEAD_UPGRADE,
        0,
    )


def test_a_body_that_is_too_long_is_told() -> None:
    head = scan_head(request(b"PUT / HTTP/1.1", b"Content-Length: 65537"))
    assert (head.verdict, head.body_bytes, head.content_length) == ("UNUSUAL_BODY", 0, 65537)


@pytest.mark.parametrize("unusual", [b"GET // HTTP/1.1", b"BREW * HTTP/1.0"])
def test_malformed_wins_over_unusual(unusual: bytes) -> None:
    assert verdict_on(request(unusual, b"Transfer-Encoding: chunked", b"X : a")) == "BAD_FIELD_NAME"


def test_of_several_unusual_things_the_first_by_number_is_told() -> None:
    fields = [b"Upgrade: a", b"Expect: 100-continue", b"Transfer-Encoding: chunked"]
    assert verdict_on(request(b"GET / HTTP/1.1", *fields)) == "UNUSUAL_ENCODING"
    assert verdict_on(request(b"GET // HTTP/1.1", *reversed(fields))) == "UNUSUAL_PATH"


def test_the_method_is_told_of_what_is_not_plain() -> None:
    head = scan_head(request(b"HEAD / HTTP/1.1", b"X : a"))
    assert (head.verdict, head.method) == ("BAD_FIELD_NAME", b"HEAD")
    assert scan_head(b"nothing").method == b""


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [
        ("head_bytes_max", "TOO_LARGE"),
        ("fields_max", "TOO_MANY_FIELDS"),
        ("target_bytes_max", "TARGET_TOO_LONG"),
        ("body_bytes_max", "UNUSUAL_BODY"),
    ],
)
def test_a_limit_may_be_met_but_not_passed(limit: str, verdict: str) -> None:
    data = request(b"POST /abc HTTP/1.1", b"Content-Length: 9", b"X: y")
    met = {"head_bytes_max": len(data), "fields_max": 3, "target_bytes_max": 4, "body_bytes_max": 9}[limit]
    assert verdict_on(data, DEFAULT_LIMITS._replace(**{limit: met})) == "PLAIN"
    assert verdict_on(data, DEFAULT_LIMITS._replace(**{limit: met - 1})) == verdict


def test_the_end_is_found_once_it_is_there() -> None:
    data = request(b"POST / HTTP/1.1", b"Content-Length: 3") + b"a\nb"
    searched = ffi.new("uint32_t *")
    found = [lib.http1_head_end(data[:count], count, 16384, searched) for count in range(len(data) - 2)]
    assert found == [0] * (len(data) - 3) + [len(data) - 3]
    assert find_end(data) == len(data) - 3


def test_a_head_without_end_is_bounded() -> None:
    assert find_end(b"G" * 100, 101) == lib.HEAD_END_NOT_FOUND
    assert find_end(b"G" * 101, 101) == lib.HEAD_END_TOO_LARGE
    assert find_end(request(), len(request())) == len(request())
    assert find_end(request(), len(request()) - 1) == lib.HEAD_END_TOO_LARGE


@pytest.mark.parametrize("data", [b"\n", b"G\n", b"GET / HTTP/1.1\r\n\n", b"GET / HTTP/1.1\nHost: a\r\n\r\n"])
def test_a_bare_line_feed_is_told_at_once(data: bytes) -> None:
    assert find_end(data) == lib.HEAD_END_BAD_LINE


def test_what_the_caller_measured_wrongly_is_not_plain() -> None:
    assert verdict_on(request() + request()) == "BAD_LINE_END"
    assert verdict_on(request()[:-1]) == "BAD_LINE_END"
    assert verdict_on(b"") == "BAD_LINE_END"


@pytest.mark.parametrize(
    ("data", "may"), [(b"", 1), (b"GE", 1), (b"M-SEARCH *", 1), (b" ", 0), (b"\r\n", 0), (b"\x16\x03\x01", 0)]
)
def test_what_may_begin_a_request(data: bytes, may: int) -> None:
    assert lib.http1_head_may_begin(data, len(data)) == may


EXPECTED_OF_SEEDS = {
    "PLAIN": "get get_all_context browser post_with_body pipelined length_zeros connection_list one_hop ipv6 "
    "white_space forwarded guarded_names",
    "UNUSUAL_ENCODING": "chunked",
    "UNUSUAL_EXPECT": "expect",
    "UNUSUAL_UPGRADE": "websocket",
    "UNUSUAL_CONNECTION": "nominated",
    "UNUSUAL_BODY": "long_body",
    "UNKNOWN_ENCODING": "gzip_chunked",
    "BAD_ENCODING": "two_encodings",
    "BAD_EXPECT": "expect_two",
    "BAD_CONNECTION": "nominated_length",
    "UNUSUAL_PATH": "paths",
    "UNUSUAL_TARGET": "absolute asterisk",
    "UNUSUAL_METHOD": "authority",
    "UNUSUAL_VERSION": "http10",
    "UNSUPPORTED_VERSION": "http09 http2",
    "LENGTH_AND_ENCODING": "length_and_encoding",
    "BAD_CONTENT_LENGTH": "two_lengths length_list",
    "BAD_FIELD_NAME": "folded space_before_colon",
    "BAD_LINE_END": "bare_return",
    "no head": "bare_line_feeds tls_hello",
}


def test_each_seed_of_the_fuzzer_is_what_its_name_says() -> None:
    found: dict[str, set[str]] = {}
    for path in SEEDS.iterdir():
        data = path.read_bytes()
        end = find_end(data)
        found.setdefault(verdict_on(data[:end]) if end > 0 else "no head", set()).add(path.name)
    assert found == {verdict: set(names.split()) for verdict, names in EXPECTED_OF_SEEDS.items()}
