"""The identity that goes with a request. Its bytes are tested in C."""

import gc
import socket
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from wire_support import pair

from frames.codec import scan
from frames.frame import FieldId
from frames.wire import Wire
from frames.wire_values import (
    CLAIMS_BYTES_MAX,
    NO_IDENTITY,
    PRINCIPAL_BYTES_MAX,
    SocketKind,
    WireResult,
    WireSettings,
    make_identity,
)

REQUEST = b"GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer t\r\nX-Api-Key: k\r\n\r\n"
CREDENTIALS = {(0, b"authorization", b"Bearer t"), (0, b"x-api-key", b"k")}


class Lab(NamedTuple):
    """A wire with one client and one service, driven by hand."""

    wire: Wire
    client: socket.socket
    service: socket.socket
    connection: int

    def ask(self) -> int:
        self.client.send(REQUEST)
        assert list(self.wire.step(1_000)) == []
        ((exchange, *_),) = self.wire.requests()
        return exchange

    def sent_fields(self) -> set[tuple[int, bytes, bytes]]:
        self.wire.flush()
        found = scan(self.service.recv(1 << 16))
        return set(found.fields(found.frames[0]))


@pytest.fixture
def lab() -> Iterator[Lab]:
    wire = Wire(WireSettings(edge_connections_max=2, framed_connections_max=2, exchanges_max=4, routes_max=1))
    (near, client), (other, service) = pair(), pair()
    wire.adopt(near, SocketKind.EDGE)
    yield Lab(wire, client, service, wire.adopt(other, SocketKind.FRAMED))
    wire.close_all()
    client.close()
    service.close()


@pytest.mark.parametrize(
    ("identity", "claimed", "kept"),
    [
        (NO_IDENTITY, set(), CREDENTIALS),
        (make_identity(b"", b"", drops_credentials=True), set(), set()),
        (make_identity(b"user:7", b"", drops_credentials=False), {(FieldId.PRINCIPAL, b"", b"user:7")}, CREDENTIALS),
        (
            make_identity(b"user:7", b'{"a":1}', drops_credentials=True),
            {(FieldId.PRINCIPAL, b"", b"user:7"), (FieldId.CLAIMS, b"", b'{"a":1}')},
            set(),
        ),
    ],
)
@pytest.mark.parametrize("is_opened", [False, True])
def test_an_identity_takes_the_place_of_credentials(
    lab: Lab, identity: Any, claimed: set[Any], kept: set[Any], is_opened: bool
) -> None:
    gc.collect()
    exchange = lab.ask()
    if is_opened:
        fields = lab.wire.request_fields(exchange)
        lab.wire.hand_over(exchange)
        opened = lab.wire.open(exchange, lab.connection, 0, 7, 1_000, b"/a", fields, end=True, identity=identity)
        assert opened == WireResult.OK
    else:
        assert lab.wire.send(exchange, lab.connection, 0, 7, 0, 0, 1_000, 0, identity) == WireResult.OK
    sent = lab.sent_fields()
    assert {field for field in sent if field[0] in (FieldId.PRINCIPAL, FieldId.CLAIMS)} == claimed
    assert sent & CREDENTIALS == kept
    assert (0, b"host", b"a") in sent


def test_the_bounds_of_an_identity(lab: Lab) -> None:
    principal, claims = b"p" * PRINCIPAL_BYTES_MAX, b"c" * CLAIMS_BYTES_MAX
    identity = make_identity(principal, claims, drops_credentials=True)
    assert lab.wire.send(lab.ask(), lab.connection, 0, 7, 0, 0, 1_000, 0, identity) == WireResult.OK
    assert lab.sent_fields() >= {(FieldId.PRINCIPAL, b"", principal), (FieldId.CLAIMS, b"", claims)}
    with pytest.raises(ValueError, match=r"^a principal has at most 256 bytes; this one has 257$"):
        make_identity(principal + b"p", b"", drops_credentials=True)
    with pytest.raises(ValueError, match=r"^claims have at most 8,192 bytes as JSON; these have 8,193$"):
        make_identity(b"", claims + b"c", drops_credentials=True)
