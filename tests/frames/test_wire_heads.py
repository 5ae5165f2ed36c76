"""What is read of a request's head: who asks, any field by its name, all of them. The bytes are tested in C."""

import socket
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from wire_support import nothing, pair

from frames.wire import Wire
from frames.wire_values import (
    HEAD_HAS_MORE,
    HEAD_HAS_TENANT,
    SERVICE_VERSION_FIELD,
    KnownName,
    SocketKind,
    WireSettings,
)

HEAD = (
    b"GET /a HTTP/1.1\r\nHost: shop\r\nX-Tenant-Id: acme\r\nX-User: one\r\nAuthorization: Bearer t\r\nX-USER: two\r\n"
    b"Empty:\r\n\r\n"
)


class Lab(NamedTuple):
    """A wire with one client, driven by hand."""

    wire: Wire
    client: socket.socket

    def ask(self, request: bytes) -> tuple[int, int]:
        """Return exchange and flags."""
        self.client.send(request)
        assert list(self.wire.step(1_000)) == []
        ((exchange, _, _, _, flags),) = self.wire.requests()
        return exchange, flags


@pytest.fixture
def lab() -> Iterator[Lab]:
    wire = Wire(WireSettings(edge_connections_max=2, framed_connections_max=2, exchanges_max=4, routes_max=1))
    near, far = pair()
    wire.adopt(near, SocketKind.EDGE)
    yield Lab(wire, far)
    wire.close_all()
    far.close()


def test_values_of_a_head(lab: Lab) -> None:
    exchange, flags = lab.ask(HEAD)
    assert flags == HEAD_HAS_MORE | HEAD_HAS_TENANT
    assert lab.wire.caller(exchange) == b"acme\nBearer t\n"
    assert lab.wire.named_field(exchange, b"host") == b"shop"
    assert lab.wire.named_field(exchange, b"x-user") == b"one, two"
    assert lab.wire.named_field(exchange, b"empty") == b""
    assert lab.wire.named_field(exchange, b"absent") is None
    assert lab.wire.request_field(exchange, KnownName.AUTHORIZATION) == b"Bearer t"
    assert lab.wire.request_head_fields(exchange) == [
        (KnownName.HOST, b"host", b"shop"),
        (KnownName.TENANT, b"x-tenant-id", b"acme"),
        (0, b"x-user", b"one"),
        (KnownName.AUTHORIZATION, b"authorization", b"Bearer t"),
        (0, b"x-user", b"two"),
        (0, b"empty", b""),
    ]


def test_a_version_that_is_asked_for(lab: Lab) -> None:
    two = b"X-Service-Version: 1.0.0\r\nx-service-version: 2.0.0\r\n"
    exchange, flags = lab.ask(b"GET / HTTP/1.1\r\nHost: a\r\n" + two + b"\r\n")
    assert flags == HEAD_HAS_MORE
    assert lab.wire.named_field(exchange, SERVICE_VERSION_FIELD) == b"1.0.0, 2.0.0"
    assert lab.wire.request_field(exchange, KnownName.SERVICE_VERSION) == b"1.0.0"
    assert lab.wire.caller(exchange) == b""  # it says nothing of who asks


def test_the_longest_head_fits(lab: Lab) -> None:
    token = b"Bearer " + b"t" * 8_000
    key = b"k" * 8_000
    exchange, _ = lab.ask(b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: %b\r\nX-Api-Key: %b\r\n\r\n" % (token, key))
    assert lab.wire.caller(exchange) == b"\n%b\n%b" % (token, key)
    assert lab.wire.named_field(exchange, b"x-api-key") == key


def test_a_request_that_says_nothing_and_one_that_is_gone(lab: Lab) -> None:
    exchange, flags = lab.ask(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert flags == 0
    assert lab.wire.caller(exchange) == b""
    nothing(lab.wire.step())
    assert lab.wire.caller(exchange) == b""
    assert lab.wire.named_field(exchange, b"host") is None
    assert lab.wire.request_head_fields(exchange) == []
