"""The parts of a path that a template names."""

from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import BadRequest
from penstock.params import make_pick


def call_of(target: bytes) -> Any:
    """Return a call with a target, and with other bytes around it."""
    before = b"/x/%zz"
    event = (0, 0, 0, 0, 0, 100, 0, 0, 100 + len(before), len(target))
    return SimpleNamespace(_event=event, _payload=before + target + b"/after", raw_target=target)


def picked(path: str, target: bytes) -> list[str]:
    return list(make_pick(path)[0](call_of(target)))


@pytest.mark.parametrize(
    ("path", "target", "values"),
    [
        ("/a/{x}", b"/a/1", ["1"]),
        ("/a/{x}", b"/a/1?y=/2", ["1"]),
        ("/a/{x}", b"/a/%C3%A9%20b", ["\u00e9 b"]),
        ("/a/{x}", b"/a/1/", ["1"]),
        ("/a/{x}", b"/a/%31/?q", ["1"]),
        ("/{x}/b/{y}", b"/1/b/2", ["1", "2"]),
        ("/{x}/b/{y}", b"/1/b/%32/", ["1", "2"]),
        ("/a/{rest...}", b"/a/", [""]),
        ("/a/{rest...}", b"/a", [""]),
        ("/a/{rest...}", b"/a?q=/", [""]),
        ("/a/{rest...}", b"/a/b", ["b"]),
        ("/a/{rest...}", b"/a/b/c/", ["b/c/"]),
        ("/a/{rest...}", b"/a//b?/c", ["/b"]),
        ("/a/{rest...}", b"/a/%C3%A9/b%20c/d", ["\u00e9/b c/d"]),
        ("/a/{rest...}", b"/a/%25", ["%"]),
        ("/a/{rest...}", b"/a/..;/%C3%A9", ["..;/\u00e9"]),
        ("/{x}/{rest...}", b"/1/2/3", ["1", "2/3"]),
        ("/{x}/{rest...}", b"/%31/2/3", ["1", "2/3"]),
        ("/{x}/{rest...}", b"/%31", ["1", ""]),
        ("/{rest...}", b"/", [""]),
        ("/{rest...}", b"/%61/b", ["a/b"]),
    ],
)
def test_what_a_part_is(path: str, target: bytes, values: list[str]) -> None:
    assert picked(path, target) == values


@pytest.mark.parametrize(
    ("path", "target", "code"),
    [
        ("/a/{x}", b"/a", "path_mismatch"),
        ("/a/{x}", b"/a/", "path_mismatch"),
        ("/a/{x}", b"/a/1/2", "path_mismatch"),
        ("/a/{x}", b"/a/1//", "path_mismatch"),
        ("/a/{x}", b"/a/%FF", "malformed_path"),
        ("/a/{x}/{rest...}", b"/a", "path_mismatch"),
        ("/a/{rest...}", b"/a/b/%C0%AE", "malformed_path"),
        ("/a/{rest...}", b"/a/..%2F..%2Fb", "malformed_path"),
        ("/a/{rest...}", b"/a/..%2f", "malformed_path"),
        ("/a/{rest...}", b"/a/b%5Cc", "malformed_path"),
    ],
)
def test_what_is_refused(path: str, target: bytes, code: str) -> None:
    with pytest.raises(BadRequest) as caught:
        picked(path, target)
    assert caught.value.reason == code


def test_names_stand_in_the_order_of_the_path() -> None:
    assert make_pick("/{b}/x/{a}/{c...}")[1] == ("b", "a", "c")
    assert make_pick("/x")[1] == ()


TEXTS = st.text(st.characters(exclude_characters="/\\", exclude_categories=["Cs"]), min_size=1, max_size=5)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(TEXTS, st.lists(TEXTS, max_size=4))
def test_what_was_encoded_comes_back(first: str, rest: list[str]) -> None:
    target = f"/a/{quote(first, safe='')}/" + "/".join(quote(text, safe="") for text in rest)
    assert picked("/a/{x}/{rest...}", target.encode()) == [first, "/".join(rest)]
