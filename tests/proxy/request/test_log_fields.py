"""What a line of the log says of a request."""

from typing import Any

from frames.frame import FieldId
from proxy.request.caller import Caller, Identity
from proxy.request.exchange import Exchange
from proxy.request.log_fields import id_fields, request_fields


class Context:
    """Ids of two exchanges, of which the second was sent."""

    def context(self, exchange: int, field: FieldId) -> bytes:
        ids = {
            FieldId.REQUEST_ID: b"r-1",
            FieldId.CORRELATION_ID: b"c-1",
            FieldId.TRACE: bytes(range(25)),
        }
        if exchange == 2:
            ids |= {FieldId.TENANT: b"acme", FieldId.PRINCIPAL: "jürgen".encode()}
        return ids.get(field, b"") if exchange < 3 else b""


IDS = {"request_id": "r-1", "correlation_id": "c-1", "trace_id": "000102030405060708090a0b0c0d0e0f"}


def exchange_of(caller: Caller | None) -> Exchange:
    nothing: Any = None
    exchange = Exchange(nothing, nothing)
    exchange.begin(1, 1, 0, b"/a", nothing)
    exchange.caller = caller
    return exchange


def test_the_ids_of_an_exchange() -> None:
    assert id_fields(Context(), 1) == IDS
    assert id_fields(Context(), 2) == IDS | {"tenant": "acme", "principal": "jürgen"}
    assert id_fields(Context(), 3) == {}


def test_who_asks_for_whom() -> None:
    assert request_fields(Context(), exchange_of(None)) == IDS
    assert request_fields(Context(), exchange_of(Caller(tenant=b"acme"))) == IDS | {"tenant": "acme"}
    alice = Caller(tenant=b"acme", identity=Identity(principal="alice", claims={"secret": 1}))
    assert request_fields(Context(), exchange_of(alice)) == IDS | {"tenant": "acme", "principal": "alice"}
