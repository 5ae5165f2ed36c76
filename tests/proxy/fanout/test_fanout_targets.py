"""Paths of legs, made of the path that was asked."""

import pytest

from proxy.fanout.targets import make_target, parameters_of


@pytest.mark.parametrize(
    ("route", "leg", "path", "target"),
    [
        ("/a/{id}", "", b"/a/7", b"/a/7?q=1"),
        ("/a/{id}", "/a/{id}", b"/a/7", b"/a/7?q=1"),
        ("/a/{id}", "/b/{id}/c", b"/a/7", b"/b/7/c?q=1"),
        ("/a/{id}", "/b", b"/a/7", b"/b?q=1"),
        ("/a/{id}", "/", b"/a/7", b"/?q=1"),
        ("/a/{one}/{two}", "/{two}/x/{one}", b"/a/%C3%BC/2", b"/2/x/%C3%BC?q=1"),
        ("/a/{rest...}", "/b/{rest...}", b"/a/1/2/", b"/b/1/2/?q=1"),
        ("/a/{rest...}", "/b/{rest...}", b"/a/", b"/b/?q=1"),
        ("/a/{id}/{rest...}", "/{id}", b"/a/7/8/9", b"/7?q=1"),
    ],
)
def test_a_target(route: str, leg: str, path: bytes, target: bytes) -> None:
    assert make_target(route, leg)(path, b"?q=1") == target
    assert make_target(route, leg)(path, b"") == target.removesuffix(b"?q=1")


def test_the_parameters_of_a_template() -> None:
    assert parameters_of("/a/{id}/{rest...}") == ("id", "rest")
    assert parameters_of("/") == parameters_of("") == ()
