"""Listening sockets, and what is said when the system refuses one."""

import socket

import pytest

from penstock.settings import Address
from proxy.edge.listen import ListenError, open_listener


def test_listens_without_blocking_on_a_free_port() -> None:
    with open_listener(Address("127.0.0.1", 0), "edge.listen") as listener:
        assert not listener.getblocking()
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
        with socket.create_connection(listener.getsockname()):
            pass


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_other_families_and_names(host: str) -> None:
    try:
        listener = open_listener(Address(host, 0), "edge.listen")
    except ListenError as error:
        assert error.problem.code == "address_not_here"  # noqa: PT017 - a machine without IPv6 says so
    else:
        listener.close()


def test_a_port_in_use() -> None:
    with open_listener(Address("127.0.0.1", 0), "edge.listen") as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError) as caught:
            open_listener(Address("127.0.0.1", port), "edge.listen")
    assert str(caught.value) == (
        f"port_in_use: edge.listen (PENSTOCK_EDGE_LISTEN=127.0.0.1:{port}): port {port} is in use; "
        f"stop what uses it (`ss -ltnp sport = :{port}`), or set another"
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PermissionError(13, "Permission denied"), "port_not_allowed"),
        (OSError(99, "Cannot assign requested address"), "address_not_here"),
        (OSError(24, "Too many open files"), "cannot_listen"),
    ],
)
def test_other_refusals(monkeypatch: pytest.MonkeyPatch, error: OSError, code: str) -> None:
    closed = []

    class Refusing(socket.socket):
        def bind(self, address: object) -> None:
            raise error

        def close(self) -> None:
            closed.append(self)
            super().close()

    monkeypatch.setattr(socket, "socket", Refusing)
    with pytest.raises(ListenError) as caught:
        open_listener(Address("127.0.0.1", 80), "admin.listen")
    assert caught.value.problem.code == code
    assert caught.value.problem.where == "PENSTOCK_ADMIN_LISTEN=127.0.0.1:80"
    assert closed


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ListenError, match=r"unknown_host: edge\.listen"):
        open_listener(Address("nowhere.invalid", 80), "edge.listen")


def test_an_address_of_another_machine() -> None:
    with pytest.raises(ListenError, match="address_not_here"):
        open_listener(Address("192.0.2.1", 0), "edge.listen")
