"""Head, the stage: plain heads pass, unusual ones are put into their usual form or refused, and who asks is found."""

from ipaddress import ip_network
from typing import Any

import pytest
from request_fields import Fields

from frames.frame import FieldId, Method
from frames.wire_values import HEAD_HAS_FORWARDED, HEAD_ODD, HEAD_PLAIN, HEAD_UNUSUAL_PATH, KnownName, RequestHead
from proxy.edge.forwarded import Doubt, TrustedProxies
from proxy.edge.head import make_read_head
from proxy.errors import BAD_PATH, INTERNAL, METHOD_NOT_ALLOWED, MISDIRECTED
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.snapshot import Limits, Snapshot
from proxy.request.stage import Answer, Reply
from proxy.route.table import RouteTable

SNAPSHOT = Snapshot(RouteTable(), Limits())
PROXY = TrustedProxies([ip_network("10.0.0.0/8")])
NOBODY = TrustedProxies([])


class FakePort(Fields):
    """One request's head."""

    def __init__(
        self,
        target: bytes = b"/a?q",
        *,
        verdict: int = HEAD_UNUSUAL_PATH,
        flags: int = 0,
        peer: str = "10.1.2.3",
        is_secured: bool = False,
        length: int = 0,
        **fields: list[bytes],
    ) -> None:
        super().__init__({b"host": b"edge"}, address=peer)
        self.head: RequestHead | None = RequestHead(
            verdict, flags | HEAD_ODD, target, len(target.partition(b"?")[0]), length
        )
        self.forwarded = {KnownName[name.upper()]: values for name, values in fields.items()}
        self.tls = is_secured

    def request_head(self, exchange: int, /) -> RequestHead | None:
        return self.head

    def request_field_values(self, exchange: int, name: KnownName, /) -> list[bytes]:
        return self.forwarded.get(name, [])

    def is_secured(self, exchange: int, /) -> bool:
        return self.tls


def read(
    port: FakePort, proxies: TrustedProxies = NOBODY, *, method: Method = Method.GET, tolerant: bool = False
) -> tuple[Any, Exchange, dict[Doubt, int]]:
    doubts = dict.fromkeys(Doubt, 0)
    exchange = Exchange(port, SNAPSHOT)
    flags = port.head.flags & 0xFF if port.head else HEAD_ODD
    exchange.begin(7, method, flags, b"/as/it/came", SNAPSHOT)
    return make_read_head(port, proxies, doubts, is_tolerant=tolerant)(exchange), exchange, doubts


def test_a_plain_head_is_not_looked_at() -> None:
    port = FakePort()
    port.head = None
    exchange = Exchange(port, SNAPSHOT)
    exchange.begin(7, Method.GET, 0, b"/a", SNAPSHOT)
    assert make_read_head(port, NOBODY, {})(exchange) is None
    assert not hasattr(exchange, "head")


def test_a_head_that_is_gone() -> None:
    port = FakePort()
    port.head = None
    result, _, _ = read(port)
    assert isinstance(result, Answer)
    assert result.reason is INTERNAL


def test_an_unusual_path_is_put_into_its_usual_form() -> None:
    result, exchange, _ = read(FakePort(b"/%61%2d?q=%61", length=77))
    assert result is None
    assert (exchange.path, exchange.target, exchange.authority) == (b"/a-", b"/a-?q=%61", None)
    assert exchange.flags & NEEDS_TASK
    assert exchange.content_length == 77


def test_an_absolute_target_has_its_own_authority() -> None:
    _, exchange, _ = read(FakePort(b"http://other:81/a"))
    assert (exchange.path, exchange.target, exchange.authority) == (b"/a", b"/a", b"other:81")


@pytest.mark.parametrize(("is_secured", "target"), [(True, b"http://edge/a"), (False, b"https://edge/a")])
def test_another_scheme_than_the_connections(is_secured: bool, target: bytes) -> None:
    result, _, _ = read(FakePort(target, is_secured=is_secured))
    assert result.reason is MISDIRECTED


def test_the_scheme_may_be_a_trusted_proxys() -> None:
    port = FakePort(b"https://edge/a", flags=HEAD_HAS_FORWARDED, forwarded=[b"for=1.2.3.4;proto=https"])
    result, exchange, _ = read(port, PROXY)
    assert (result, exchange.path) == (None, b"/a")


@pytest.mark.parametrize(("tolerant", "path"), [(False, None), (True, b"/b")])
def test_dot_segments(tolerant: bool, path: bytes | None) -> None:
    result, exchange, _ = read(FakePort(b"/a/../b"), tolerant=tolerant)
    if path is None:
        assert result.reason is BAD_PATH
    else:
        assert (result, exchange.path) == (None, path)


def test_what_the_server_can_do() -> None:
    result, _, _ = read(FakePort(b"*"), method=Method.OPTIONS)
    assert isinstance(result, Reply)
    assert (result.status, dict(result.headers)[b"allow"]) == (204, b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")


def test_an_asterisk_is_for_options_only() -> None:
    result, _, _ = read(FakePort(b"*"), method=Method.GET)
    assert isinstance(result, Answer)
    assert result.reason.status in (METHOD_NOT_ALLOWED.status, 400)


# ---- who asks ----

FORWARDED = HEAD_HAS_FORWARDED


def test_a_plain_request_of_a_trusted_proxy_stays_plain() -> None:
    port = FakePort(verdict=HEAD_PLAIN, flags=FORWARDED, x_forwarded_for=[b"1.2.3.4"], x_forwarded_proto=[b"https"])
    result, exchange, doubts = read(port, PROXY)
    assert result is None
    assert port.context_set == {FieldId.CLIENT_ADDRESS: b"1.2.3.4", FieldId.SCHEME: b"https"}
    assert not exchange.flags & NEEDS_TASK
    assert exchange.path == b"/as/it/came"
    assert doubts == {Doubt.MALFORMED: 0, Doubt.DISAGREEING: 0}


def test_nobody_is_believed_by_default() -> None:
    port = FakePort(verdict=HEAD_PLAIN, flags=FORWARDED, x_forwarded_for=[b"1.2.3.4"])
    read(port, NOBODY)
    assert port.context_set == {}


def test_a_stranger_is_not_believed() -> None:
    port = FakePort(verdict=HEAD_PLAIN, flags=FORWARDED, peer="11.1.2.3", x_forwarded_for=[b"1.2.3.4"])
    read(port, PROXY)
    assert port.context_set[FieldId.CLIENT_ADDRESS] == b"11.1.2.3"


@pytest.mark.parametrize(
    ("fields", "doubt"),
    [
        ({"x_forwarded_for": [b"1.2.3"]}, Doubt.MALFORMED),
        ({"forwarded": [b"for="]}, Doubt.MALFORMED),
        ({"forwarded": [b"for=1.2.3.4"], "x_forwarded_for": [b"5.6.7.8"]}, Doubt.DISAGREEING),
    ],
)
def test_doubts_are_counted(fields: dict[str, list[bytes]], doubt: Doubt) -> None:
    port = FakePort(verdict=HEAD_PLAIN, flags=FORWARDED, **fields)  # type: ignore[arg-type]
    result, _, doubts = read(port, PROXY)
    assert result is None
    assert doubts[doubt] == sum(doubts.values()) == 1
    assert port.context_set[FieldId.CLIENT_ADDRESS] == b"10.1.2.3"  # the proxy itself
