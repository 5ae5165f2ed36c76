"""Idempotency-Key: how it may be written, and which requests are the same."""

import pytest

from proxy.answers.key import KEY_BYTES_MAX, digest_of, fingerprint, parse_key


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b'"8e03978e-40d5-43e8-bc93-6894a57f9324"', b"8e03978e-40d5-43e8-bc93-6894a57f9324"),
        (b"8e03978e-40d5-43e8-bc93-6894a57f9324", b"8e03978e-40d5-43e8-bc93-6894a57f9324"),
        (b' "a b" ', b"a b"),
        (b'"a\\"b\\\\c"', b'a"b\\c'),
        (b"order/17:1", b"order/17:1"),
        (b'"' + b"k" * KEY_BYTES_MAX + b'"', b"k" * KEY_BYTES_MAX),
    ],
)
def test_a_key(value: bytes, key: bytes) -> None:
    assert parse_key(value) == key


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b'""',
        b'"a',
        b'a"',
        b'"a\\b"',
        b'"a";b=1',
        b"a;b=1",
        b"a, b",
        b'"a", "b"',
        b"a b",
        b'"\xc3\xa4"',
        b"\xe4",
        b'"\t"',
        b"k" * (KEY_BYTES_MAX + 1),
        b'"' + b"k" * (KEY_BYTES_MAX + 1) + b'"',
    ],
)
def test_no_key(value: bytes) -> None:
    assert parse_key(value) is None


def test_where_a_text_ends_is_told() -> None:
    assert len({digest_of(b"ab", b"c"), digest_of(b"a", b"bc"), digest_of(b"abc"), digest_of(b"abc", b"")}) == 4


def test_what_was_asked_is_compared_as_far_as_it_is_known() -> None:
    whole = fingerprint(b"/a", b"text/plain", b"body", None)
    assert not whole.is_other(fingerprint(b"/a", b"text/plain", b"body", None))
    assert whole.is_other(fingerprint(b"/b", b"text/plain", b"body", None))
    assert whole.is_other(fingerprint(b"/a", b"text/html", b"body", None))
    assert whole.is_other(fingerprint(b"/a", b"text/plain", b"ydob", None))
    assert whole.is_other(fingerprint(b"/a", b"text/plain", None, 5))
    assert not whole.is_other(fingerprint(b"/a", b"text/plain", None, 4))
    assert not whole.is_other(fingerprint(b"/a", b"text/plain", None, None))
