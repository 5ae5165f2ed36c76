import pytest

from frames.frame import Method
from frames.scanned_head import scan_head
from frames.wire_values import (
    HEAD_HAS_MORE,
    HEAD_HAS_TENANT,
    HEAD_ODD,
    HEAD_PLAIN,
    HEAD_UNUSUAL_PATH,
    KnownName,
    WireSettings,
)

SETTINGS = WireSettings()


def test_a_plain_head() -> None:
    text = b"GET /a?b HTTP/1.1\r\nHost: x\r\nX-Tenant-Id: acme\r\nX-Other: 1\r\nAuthorization: Bearer t\r\n\r\n"
    scanned = scan_head(text, SETTINGS)
    assert (scanned.method, scanned.is_refused, scanned.head.verdict) == (Method.GET, False, HEAD_PLAIN)
    assert (scanned.head.target, scanned.head.path_bytes, scanned.head.content_length) == (b"/a?b", 2, 0)
    assert scanned.head.flags == HEAD_HAS_TENANT | HEAD_HAS_MORE
    assert [(name, value) for _, name, value in scanned.fields] == [
        (b"host", b"x"),
        (b"x-tenant-id", b"acme"),
        (b"x-other", b"1"),
        (b"authorization", b"Bearer t"),
    ]
    assert [known for known, _, _ in scanned.fields][:2] == [KnownName.HOST, KnownName.TENANT]


def test_an_unusual_head_is_not_refused_here() -> None:
    scanned = scan_head(b"GET /a/../b HTTP/1.1\r\nHost: x\r\n\r\n", SETTINGS)
    assert (scanned.is_refused, scanned.head.verdict) == (False, HEAD_UNUSUAL_PATH)
    assert scanned.head.flags & HEAD_ODD


@pytest.mark.parametrize(
    "text",
    [
        b"G(T / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Tenant-Id: a\r\nX-Tenant-Id: b\r\n\r\n",
        b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_what_no_lane_carries_is_refused(text: bytes) -> None:
    scanned = scan_head(text, SETTINGS)
    assert scanned.is_refused
    assert (scanned.fields, scanned.head.target) == ((), b"")
