"""The request target: its forms, its authority, and a path that is the same for everybody who reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames.frame import Method
from proxy.edge.target import Target, is_authority, normalise_path, read_target
from proxy.errors import (
    BAD_AUTHORITY,
    BAD_HOST,
    BAD_PATH,
    BAD_TARGET,
    METHOD_NOT_IMPLEMENTED,
    MISDIRECTED,
    Reason,
)

PCHAR = b"ABYZabyz0189-._~!$&'()*+,;=:@"


def read(
    target: bytes,
    method: int = Method.GET,
    host: bytes | None = b"h",
    *,
    scheme: bytes = b"http",
    tolerant: bool = False,
) -> Target | Reason:
    return read_target(target, method, host, scheme=scheme, is_tolerant=tolerant)


@pytest.mark.parametrize(
    "target",
    [
        b"/",
        b"/a",
        b"/a/b/",
        b"/a?",
        b"/a?b=c&d",
        b"/?/../x",
        b"/a?%2e%2E%2f",
        b"/a:b;c=1,2@x",
        b"/%C3%A9",
        b"/a?{|}^\\[]`",
    ],
)
def test_origin_form_that_is_plain_stays_as_it_is(target: bytes) -> None:
    for tolerant in (False, True):
        assert read(target, tolerant=tolerant) == Target(target.partition(b"?")[0], target, b"h", False)


@pytest.mark.parametrize(
    "target",
    [
        *(
            b"",
            b"a",
            b"a/b",
            b"?a",
            b"#",
            b"/a#b",
            b"/a b",
            b"/a\\b",
            b"/a\x00",
            b"/\xe9",
            b"/%",
            b"/%4",
            b"/%4g",
            b"/%%41",
        ),
        *(b"/?%", b"/?%zz", b'/?"', b"/?<", b"/a[b", b"**", b"*/", b"http:/a", b"http:a", b"//", b"http//a"),
    ],
)
def test_what_is_no_target(target: bytes) -> None:
    expected = BAD_PATH if target == b"//" else BAD_TARGET
    assert read(target) is expected


@pytest.mark.parametrize(
    ("target", "path", "seen", "authority"),
    [
        (b"http://a", b"/", b"/", b"a"),
        (b"http://a/", b"/", b"/", b"a"),
        (b"http://a?b", b"/", b"/?b", b"a"),
        (b"http://a?", b"/", b"/?", b"a"),
        (b"http://a:80/b?c=d", b"/b", b"/b?c=d", b"a:80"),
        (b"HTTP://A.example/%7eb", b"/~b", b"/~b", b"A.example"),
        (b"http://[::1]:8080/b", b"/b", b"/b", b"[::1]:8080"),
        (b"http://a/b?http://c/d", b"/b", b"/b?http://c/d", b"a"),
    ],
)
def test_absolute_form_has_its_own_authority(target: bytes, path: bytes, seen: bytes, authority: bytes) -> None:
    assert read(target, host=b"other:1") == Target(path, seen, authority, True)


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (b"ftp://a/b", BAD_TARGET),
        (b"ws://a/b", BAD_TARGET),
        (b"http://", BAD_AUTHORITY),
        (b"http:///a", BAD_AUTHORITY),
        (b"http://:80/a", BAD_AUTHORITY),
        (b"http://u@a/b", BAD_AUTHORITY),
        (b"http://u:p@a/b", BAD_AUTHORITY),
        (b"http://@a/b", BAD_AUTHORITY),
        (b"http://a:/b", BAD_AUTHORITY),
        (b"http://a:65536/b", BAD_AUTHORITY),
        (b"http://a:0x50/b", BAD_AUTHORITY),
        (b"http://a:80:80/b", BAD_AUTHORITY),
        (b"http://[::1/b", BAD_AUTHORITY),
        (b"http://[]/b", BAD_AUTHORITY),
        (b"http://a%/b", BAD_AUTHORITY),
        (b"http://a\\b/c", BAD_AUTHORITY),
        (b"http://a b/c", BAD_AUTHORITY),
        (b"https://a/b", MISDIRECTED),
        (b"http://a/../b", BAD_PATH),
        (b"http://a//b", BAD_PATH),
        (b"http://a/b c", BAD_TARGET),
        (b"http://a/b?\x00", BAD_TARGET),
        (b"http://a/b#c", BAD_TARGET),
    ],
)
def test_absolute_form_that_is_refused(target: bytes, reason: Reason) -> None:
    assert read(target) is reason


def test_the_scheme_is_that_of_the_connection() -> None:
    assert read(b"https://a/b", scheme=b"https") == Target(b"/b", b"/b", b"a", True)
    assert read(b"http://a/b", scheme=b"https") is MISDIRECTED


def test_asterisk_form_is_for_options_alone() -> None:
    assert read(b"*", Method.OPTIONS) == Target(b"*", b"*", b"h", False)
    for method in set(Method) - {Method.OPTIONS}:
        assert read(b"*", method) is BAD_TARGET


def test_options_about_a_whole_server_in_absolute_form() -> None:
    assert read(b"http://a:81", Method.OPTIONS) == Target(b"*", b"*", b"a:81", True)
    assert read(b"http://a/", Method.OPTIONS) == Target(b"/", b"/", b"a", True)
    assert read(b"http://a?", Method.OPTIONS) == Target(b"/", b"/?", b"a", True)


def test_authority_form_is_for_connect_alone() -> None:
    assert read(b"a:443", 0) is METHOD_NOT_IMPLEMENTED
    assert read(b"a:443", Method.GET) is BAD_TARGET
    assert read(b"[::1]:443", Method.OPTIONS) is BAD_TARGET


@pytest.mark.parametrize(
    "host", [b"", b"a b", b"a/b", b"u@a", b"a:", b"a:b", b"[a", b"a,b", b"a:99999", b"a\r\nb: c", b"a\n"]
)
@pytest.mark.parametrize("target", [b"/", b"http://a/"])
def test_host_must_be_one_even_where_it_does_not_count(host: bytes, target: bytes) -> None:
    valid = host == b"a,b"  # a reg-name may hold sub-delims
    assert (read(target, host=host) is BAD_HOST) is not valid


def test_a_request_without_host() -> None:
    assert read(b"/a", host=None) == Target(b"/a", b"/a", b"", False)
    assert read(b"http://b/a", host=None) == Target(b"/a", b"/a", b"b", True)


@pytest.mark.parametrize(
    "authority", [b"a", b"a.b:1", b"127.0.0.1", b"[::1]", b"[::ffff:1.2.3.4]:65535", b"a%20b", b"a_b"]
)
def test_authorities(authority: bytes) -> None:
    assert is_authority(authority)


@pytest.mark.parametrize(
    ("path", "strict", "tolerant"),
    [
        (b"/%7Euser", b"/~user", b"/~user"),
        (b"/%61%42%30%2d%5F", b"/aB0-_", b"/aB0-_"),
        (b"/a%2eb", b"/a.b", b"/a.b"),
        (b"/...", b"/...", b"/..."),
        (b"/.a/..b/c.", b"/.a/..b/c.", b"/.a/..b/c."),
        (b"/%c3%a9%3f", b"/%C3%A9%3F", b"/%C3%A9%3F"),
        (b"/%2525", b"/%2525", b"/%2525"),
        (b"/%252e%252e/", b"/%252e%252e/", b"/%252e%252e/"),
        (b"/a//b", None, b"/a/b"),
        (b"//", None, b"/"),
        (b"//a.example/b", None, b"/a.example/b"),
        (b"/a///", None, b"/a/"),
        (b"/.", None, b"/"),
        (b"/./", None, b"/"),
        (b"/a/.", None, b"/a/"),
        (b"/a/./b", None, b"/a/b"),
        (b"/a/..", None, b"/"),
        (b"/a/../b", None, b"/b"),
        (b"/a/b/../../c/", None, b"/c/"),
        (b"/a//../b", None, b"/b"),
        (b"/%2e/a", None, b"/a"),
        (b"/a/%2E%2e/b", None, b"/b"),
        (b"/a/.%2e", None, b"/"),
        (b"/..", None, None),
        (b"/../a", None, None),
        (b"/a/../..", None, None),
        (b"/a/../../b/c", None, None),
        (b"/%2e%2e/a", None, None),
        (b"/a%2fb", None, b"/a%2Fb"),
        (b"/a%5cb", None, b"/a%5Cb"),
        (b"/..%2fa", None, b"/..%2Fa"),
        (b"/a%0d%0ab", None, b"/a%0D%0Ab"),
        (b"/a%1f%7f", None, b"/a%1F%7F"),
        (b"/a%00", None, None),
        (b"/a/..;/b", None, None),
        (b"/..;", None, None),
        (b"/.;x=1/a", None, None),
        (b"/a/%2e%2e;x", None, None),
        (b"/a/.%2E%3b/b", None, None),
        (b"/..%3Bx", None, None),
        (b"/a//..;/b", None, None),
        (b"/...;/a..;/.b;/;/;..", b"/...;/a..;/.b;/;/;..", b"/...;/a..;/.b;/;/;.."),
        (b"/a;x=1/b%3b", b"/a;x=1/b%3B", b"/a;x=1/b%3B"),
        (b"/%252e;/..%253B", b"/%252e;/..%253B", b"/%252e;/..%253B"),
        (b"/%00/../a", None, None),
    ],
)
def test_a_path_in_both_modes(path: bytes, strict: bytes | None, tolerant: bytes | None) -> None:
    assert normalise_path(path) == strict
    assert normalise_path(path, is_tolerant=True) == tolerant
    assert read(path) == (BAD_PATH if strict is None else Target(strict, strict, b"h", False))


def pieces() -> st.SearchStrategy[bytes]:
    encoded = st.integers(0, 255).flatmap(lambda byte: st.sampled_from([b"%%%02x" % byte, b"%%%02X" % byte]))
    return st.one_of(encoded, st.sampled_from([b"/", b".", b"..", b"%2e", b"a", b"%2f", b";", b"%25"]))


def dot_segments(path: bytes) -> set[bytes]:
    """The dot segments in a path, also for those who take parameters off them."""
    return {b".", b".."} & {segment.replace(b"%3B", b";").partition(b";")[0] for segment in path.split(b"/")}


odd_paths = st.lists(pieces(), max_size=12).map(lambda parts: b"/" + b"".join(parts))


@given(odd_paths, st.booleans())
def test_what_is_normal_is_not_changed_again(path: bytes, tolerant: bool) -> None:
    normal = normalise_path(path, is_tolerant=tolerant)
    if normal is not None:
        assert normalise_path(normal, is_tolerant=tolerant) == normal
        assert normal.startswith(b"/")
        assert len(normal) <= len(path)
        assert not dot_segments(normal)
        assert b"//" not in normal


@given(odd_paths)
def test_strict_takes_only_what_tolerant_does_not_change_otherwise(path: bytes) -> None:
    strict = normalise_path(path)
    if strict is not None:
        assert normalise_path(path, is_tolerant=True) == strict


@given(st.lists(st.text(PCHAR.decode(), min_size=1).map(str.encode), min_size=1).map(b"/".join))
def test_a_plain_path_is_left_alone(path: bytes) -> None:
    if not dot_segments(path):
        for tolerant in (False, True):
            assert normalise_path(b"/" + path, is_tolerant=tolerant) == b"/" + path


@given(st.binary(max_size=40), st.sampled_from([0, *Method]), st.booleans())
def test_any_bytes_are_read_or_refused(target: bytes, method: int, tolerant: bool) -> None:
    for prefix in (b"", b"/", b"http://", b"http://a/"):
        found = read(prefix + target, method, tolerant=tolerant)
        if isinstance(found, Target):
            assert found.path == b"*" or found.path.startswith(b"/")
            assert found.target.startswith(found.path)
            again = read(found.target, method, tolerant=tolerant)
            assert isinstance(again, Target)
            assert again.target == found.target
