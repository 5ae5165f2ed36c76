"""Cache-Control as it is written, well and badly."""

import pytest

from proxy.answers.directives import SECONDS_MAX, parse_directives, seconds


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, {}),
        (b"", {}),
        (b"no-store", {b"no-store": None}),
        (b"Max-Age=5, PUBLIC", {b"max-age": b"5", b"public": None}),
        (b'max-age="5"', {b"max-age": b"5"}),
        (b'private="a, b", no-cache', {b"private": b"a, b", b"no-cache": None}),
        (b", ,max-age=1,,", {b"max-age": b"1"}),
        (b"max-age=1, max-age=2", {b"max-age": b"1"}),
        (b"max-age = 7", {b"max-age": b"7"}),
        (b"max-age=", {b"max-age": b""}),
        (b"x=1 2, no-store", {b"x": b"1", b"2": None, b"no-store": None}),
    ],
)
def test_what_is_written_is_read(value: bytes | None, found: dict[bytes, bytes | None]) -> None:
    assert parse_directives(value) == found


def test_a_list_of_any_length_is_read_in_its_own_time() -> None:
    assert len(parse_directives(b'a="' + b"\\" * 60_000 + b", b" * 1_000)) <= 2_002


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"max-age=0", 0),
        (b"max-age=31536000", 31_536_000),
        (b"max-age", 0),
        (b"max-age=-1", 0),
        (b"max-age=1.5", 0),
        (b"max-age=abc", 0),
        (b"max-age=99999999999999999999", SECONDS_MAX),
        (b"no-store", None),
    ],
)
def test_who_cannot_write_a_number_asks_for_nothing(value: bytes, number: int | None) -> None:
    assert seconds(parse_directives(value), b"max-age") == number
