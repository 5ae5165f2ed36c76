"""A service and its gateways: those that dial it, those that it comes back to, those of a better priority, and news."""

import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest
import trio
from msgspec.structs import replace

from frames.fixed import decode_refused
from frames.frame import FrameType, RefusedReason
from frames.greeting import EndpointOffer, endpoints_digest
from penstock import Call, Service
from penstock.errors import GatewayError
from penstock.handler import make_endpoint
from penstock.listen import Listener
from penstock.serving import Serving
from penstock.settings import Address
from penstock.tiers import GRACE_S

if TYPE_CHECKING:
    from tests.penstock.conftest import Gateway

DIGEST = ("digest",)


def make_service() -> Service:
    service = Service("shop", version="1.0.0")

    @service.get("/now")
    def now(call: Call) -> Any:
        return {"id": call.request_id}

    return service


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


# Gateways that dial.


async def test_a_service_that_listens_greets_each_gateway_and_answers_it(
    gateway: "Gateway", nursery: trio.Nursery
) -> None:
    port = free_port()
    settings = gateway.settings(gateways="none", service_listen=f"127.0.0.1:{port}", instance="shop-1")
    nursery.start_soon(make_service().serve, settings)
    for exchange in (1, 2):
        connection = await gateway.dial(port)
        hello = await connection.greet()
        assert (hello.service, hello.instance, len(hello.listed)) == ("shop", "shop-1", 1)
        await connection.call(exchange | 1 << 63, 0, "/now")
        answer = await connection.expect(FrameType.RESPONSE)
        assert (answer.exchange, answer.status) == (exchange | 1 << 63, 200)


async def test_a_gateway_that_dials_and_does_not_greet_is_not_waited_for_by_others(
    gateway: "Gateway", nursery: trio.Nursery
) -> None:
    port = free_port()
    settings = gateway.settings(service_listen=f"127.0.0.1:{port}", gateways=gateway.address)
    nursery.start_soon(make_service().serve, settings)
    silent = await gateway.dial(port)
    await silent.expect(FrameType.HELLO)
    dialled = await gateway.accept()  # it dials, too, where it is told to
    await dialled.greet()
    other = await gateway.dial(port)
    await other.greet()


async def test_an_address_that_is_taken_is_an_error_with_a_fix(gateway: "Gateway") -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = gateway.settings(gateways="none", service_listen=f"127.0.0.1:{port}")
        with pytest.raises(GatewayError) as caught:
            await make_service().serve(settings)
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{port}: Address already in use; set PENSTOCK_SERVICE_LISTEN to a free port of an"
        " address of this machine"
    )


async def test_more_gateways_than_the_bound_are_turned_away_and_said_once(
    nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    def open_link(sock: socket.socket, _name: str) -> Any:
        sock.close()
        raise OSError("not now")

    async def work(_link: Any) -> None: ...

    listener = Listener(Address("127.0.0.1", 0), open_link, work, gateways_max=0)
    with caplog.at_level(logging.WARNING):
        nursery.start_soon(listener.run)
        for _ in range(2):
            stream = await trio.open_tcp_stream("127.0.0.1", listener.port)
            with trio.fail_after(5):
                assert await stream.receive_some() == b""
            await stream.aclose()
    assert caplog.text.count("turned away, 0 are connected, which is the bound") == 1


# Coming back, and news.


async def test_a_service_that_comes_back_says_only_the_digest(gateway: "Gateway", nursery: trio.Nursery) -> None:
    nursery.start_soon(make_service().serve, gateway.settings())
    first = await gateway.accept()
    listed = (await first.greet(features=DIGEST)).listed
    assert len(listed) == 1
    await first.stream.aclose()
    second = await gateway.accept()
    slim = await second.greet(features=DIGEST, wants_endpoints=True)
    assert (slim.endpoints, slim.digest) == (None, endpoints_digest(listed))
    assert (await second.greet(features=DIGEST)).endpoints == listed
    await second.call(1, 0, "/now")
    assert (await second.expect(FrameType.RESPONSE)).status == 200


async def test_a_gateway_that_knows_no_digests_is_always_told_the_list(
    gateway: "Gateway", nursery: trio.Nursery
) -> None:
    nursery.start_soon(make_service().serve, gateway.settings())
    for _ in range(2):
        connection = await gateway.accept()
        assert (await connection.greet()).endpoints is not None
        await connection.stream.aclose()


async def test_other_endpoints_are_announced_without_reconnecting(gateway: "Gateway", nursery: trio.Nursery) -> None:
    service, settings = make_service(), gateway.settings(instance="shop-1")
    (now,), hello = service.endpoints, service.hello(settings)
    serving = Serving(nursery, {now.id: now}, hello, settings)
    nursery.start_soon(serving.run)
    connection = await gateway.accept()
    await connection.greet()
    await connection.call(1, 0, "/now")
    await connection.expect(FrameType.RESPONSE)
    offer = EndpointOffer(id=7, method="GET", path="/later")
    later = make_endpoint(offer, now.handler, service)
    serving.announce({7: later}, replace(hello, endpoints=(offer,)))
    assert (await connection.greet()).endpoints == (offer,)
    await connection.call(2, 7, "/later")
    assert (await connection.expect(FrameType.RESPONSE)).status == 200
    await connection.call(3, 0, "/now")  # taken back
    refused = await connection.expect(FrameType.REFUSED)
    assert decode_refused(refused.payload).reason == RefusedReason.UNKNOWN_ENDPOINT


# Priorities.


async def test_a_lower_priority_is_left_in_good_order_when_a_better_one_is_back(
    gateway: "Gateway", nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert GRACE_S == 5.0
    monkeypatch.setattr("penstock.tiers.TierDialling.__init__.__kwdefaults__", {"grace_s": 0.2})
    port = free_port()
    service, go_on = make_service(), trio.Event()

    @service.get("/later")
    async def later(call: Call) -> Any:
        await go_on.wait()
        return {}

    gateways = f"tcp://127.0.0.1:{port},{gateway.address}?priority=1"
    nursery.start_soon(service.serve, gateway.settings(gateways=gateways))
    backup = await gateway.accept()  # the better one does not listen yet
    await backup.greet()
    await backup.call(1, 1, "/later")
    (listener,) = await trio.open_tcp_listeners(port, host="127.0.0.1")
    with trio.fail_after(5):
        best = type(backup)(await listener.accept())
        await best.greet()
        await backup.expect(FrameType.GOAWAY)
    await backup.call(2, 0, "/now")  # it crossed the GOAWAY
    refused = await backup.expect(FrameType.REFUSED)
    assert (refused.exchange, decode_refused(refused.payload).reason) == (2, RefusedReason.DRAINING)
    go_on.set()
    answer = await backup.expect(FrameType.RESPONSE)
    assert (answer.exchange, answer.status) == (1, 200)
    assert await backup.receive() is None  # closed
    await best.call(1, 0, "/now")
    assert (await best.expect(FrameType.RESPONSE)).status == 200
    await best.stream.aclose()
    await listener.aclose()
