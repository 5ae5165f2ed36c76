"""The key of a request: a parameter of its path. The others are tested with splits, which read them likewise."""

import pytest
from balance_support import begun

from proxy.request.request_key import key_reader
from proxy.request.route_policy import Key, KeyKind

USERS = "/users/{user}/invoices/{invoice}"


@pytest.mark.parametrize(
    ("template", "name", "path", "value"),
    [
        (USERS, "user", b"/users/7/invoices/9", b"7"),
        (USERS, "invoice", b"/users/7/invoices/9", b"9"),
        (USERS, "invoice", b"/users/7/invoices/9/", b"9"),
        (USERS, "user", b"/users/%41%2B/invoices/9", b"%41%2B"),
        (USERS, "tenant", b"/users/7/invoices/9", None),
        ("/{user}", "user", b"/7", b"7"),
        ("/files/{name...}", "name", b"/files/a/b", b"a/b"),
        ("/files/{name...}", "name", b"/files/", b""),
        ("/files/{name...}", "name", b"/files", None),
        ("/plain", "user", b"/plain", None),
    ],
)
def test_a_parameter_of_the_path(template: str, name: str, path: bytes, value: bytes | None) -> None:
    assert key_reader(Key(KeyKind.PARAMETER, name), template)(begun((), path=path)) == value
