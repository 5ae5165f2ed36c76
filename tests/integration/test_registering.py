"""How services come, come again, claim, flood and go: over real sockets, byte by byte where that matters."""

from collections.abc import AsyncIterator

import pytest
import trio
from free_port import free_port
from lab import Lab, open_lab, until
from lab_client import request
from lab_service import RawService, make_hello
from msgspec.structs import replace

from frames.fixed import decode_fault
from frames.frame import DIALLED, FaultCode, FrameType
from frames.greeting import EndpointOffer, decode_welcome, encode_hello, endpoints_digest
from penstock import Call, Service
from penstock.settings import Address, load_service_settings
from proxy.config import GatewayConfig


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with open_lab() as lab:
        yield lab


async def refusal(service: RawService) -> tuple[FaultCode, str]:
    """The FAULT that comes next, after which the connection ends."""
    fault = decode_fault((await service.expect(FrameType.FAULT)).payload)
    await service.ended()
    return FaultCode(fault.code), fault.text


async def status(lab: Lab, path: str) -> int:
    client = await lab.client()
    await client.send(request("GET", path))
    answer = await client.answer()
    await client.aclose()
    return answer.status


async def test_hello_again_replaces_endpoints_and_hurts_no_request_in_flight(lab: Lab) -> None:
    service, client = await lab.raw("GET /old"), await lab.client()
    await client.send(request("GET", "/old"))
    asked = await service.asked()
    newer = replace(make_hello(), endpoints=(EndpointOffer(id=2, method="GET", path="/new"),))
    await service.send(FrameType.HELLO, encode_hello(newer))
    await service.expect(FrameType.WELCOME)
    assert await status(lab, "/old") == 404
    await service.respond(asked, body=b"all the same")
    answer = await client.answer()
    assert (answer.status, answer.body) == (200, b"all the same")
    await client.send(request("GET", "/new"))
    await service.respond(await service.asked())
    assert (await client.answer()).status == 200


async def test_an_id_that_stood_for_another_endpoint_is_refused(lab: Lab) -> None:
    service = await lab.raw("GET /old")
    await service.send(FrameType.HELLO, encode_hello(make_hello("GET /new")))  # with the id 1 again
    assert await refusal(service) == (
        FaultCode.INVALID_HELLO,
        "HELLO: endpoints[0].id is 1, which stood for GET '/old' on this connection;"
        " give each endpoint an id of its own",
    )


async def test_who_claims_the_path_of_another_service_is_refused_and_the_owner_goes_on(lab: Lab) -> None:
    owner, thief = await lab.raw("GET /things/{id}", service="things"), await lab.stranger()
    hello = make_hello("GET /mine", "GET /things/{name}", service="thief")
    await thief.send(FrameType.HELLO, encode_hello(hello))
    code, text = await refusal(thief)
    assert code is FaultCode.FORBIDDEN
    assert text.startswith(
        "the service 'thief' may not register GET '/things/{name}': it belongs to the service 'things'"
    )
    assert await status(lab, "/mine") == 404
    client = await lab.client()
    await client.send(request("GET", "/things/7"))
    await owner.respond(await owner.asked())
    assert (await client.answer()).status == 200


async def test_routes_go_with_their_last_instance_and_are_free_then(lab: Lab) -> None:
    first, second = [await lab.raw("GET /things", instance=name) for name in ("raw-1", "raw-2")]
    await first.aclose()
    await until(lambda: len(lab.health) == 1)
    assert len(lab.gateway.registry.routes) == 1
    await second.aclose()
    await until(lambda: not lab.health)
    assert await status(lab, "/things") == 404
    await lab.raw("GET /things", service="another")


async def test_a_flood_of_hellos_is_turned_away_and_others_go_on(lab: Lab) -> None:
    flood, other = await lab.raw("GET /flood"), await lab.raw("GET /other", service="other")
    hellos = [encode_hello(make_hello("GET /flood", version=f"1.0.{number}")) for number in range(100)]
    with trio.fail_after(5):
        for hello in hellos:
            try:
                await flood.send(FrameType.HELLO, hello)
            except trio.BrokenResourceError:
                break
    client = await lab.client()
    await client.send(request("GET", "/other"))
    await other.respond(await other.asked())
    assert (await client.answer()).status == 200
    await until(lambda: len(lab.health) == 1)
    assert lab.gateway.transport.statistics().faults == {"limit_exceeded": 1}
    assert lab.gateway.registry.statistics().hellos < 20


async def test_a_slim_hello_is_asked_for_its_list_once(lab: Lab) -> None:
    full = make_hello("GET /things", features=("digest",))
    slim = replace(full, endpoints=None, digest=endpoints_digest(full.listed))
    service = await lab.stranger()
    await service.send(FrameType.HELLO, encode_hello(slim))
    assert decode_welcome((await service.expect(FrameType.WELCOME)).payload).wants_endpoints
    assert await status(lab, "/things") == 404
    await service.send(FrameType.HELLO, encode_hello(full))
    assert not decode_welcome((await service.expect(FrameType.WELCOME)).payload).wants_endpoints
    again = await lab.stranger()
    await again.send(FrameType.HELLO, encode_hello(replace(slim, instance="raw-2")))
    assert not decode_welcome((await again.expect(FrameType.WELCOME)).payload).wants_endpoints
    assert lab.health == {"raw-1": "healthy", "raw-2": "healthy"}
    thief = await lab.stranger()
    await thief.send(FrameType.HELLO, encode_hello(replace(slim, service="thief")))
    assert decode_welcome((await thief.expect(FrameType.WELCOME)).payload).wants_endpoints


async def test_a_real_service_comes_back_slim_and_serves(lab: Lab) -> None:
    service = Service("billing", version="1.0.0")

    @service.get("/invoices")
    def invoices(call: Call) -> str:
        return "none"

    scope = await lab.serve(service, instance="billing-1")
    assert await status(lab, "/invoices") == 200
    (instance,) = lab.gateway.registry.instances
    lab.gateway.wire.close(instance.connection)
    lab.gateway.wire.flush()
    await until(lambda: lab.gateway.registry.statistics().hellos >= 2)
    await until(lambda: lab.health == {"billing-1": "healthy"})
    assert await status(lab, "/invoices") == 200
    said = lab.gateway.registry.said(lab.gateway.registry.instances[0].connection)
    assert said is not None
    assert said.digest == endpoints_digest(said.listed)  # it was slim, and the gateway knew the list
    scope.cancel()


# Services that the gateway dials.


def dialling(lab: Lab, *addresses: Address) -> GatewayConfig:
    """The configuration of the gateway, but for whom it dials."""
    config = lab.gateway.configured.config
    return replace(config, services=replace(config.services, dial=addresses))


async def test_a_service_that_is_dialled_is_asked_like_any_other(lab: Lab) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    lab.gateway.pooling.change(dialling(lab, Address(*listener.socket.getsockname())))
    for _ in range(2):  # it is dialled again when the connection is lost
        service = RawService(await listener.accept())
        await service.join("GET /things")
        client = await lab.client()
        await client.send(request("GET", "/things"))
        asked = await service.asked()
        assert asked.exchange & DIALLED  # the ids of the side that dialled
        await service.respond(asked, body=b"here")
        assert (await client.answer()).body == b"here"
        await service.aclose()
        await until(lambda: lab.gateway.registry.instances[0].is_dormant)
    await listener.aclose()


async def test_a_real_service_that_listens_is_dialled_and_serves(lab: Lab, nursery: trio.Nursery) -> None:
    service = Service("billing", version="1.0.0")

    @service.get("/invoices")
    async def invoices(call: Call) -> str:
        return "none"

    address = Address("127.0.0.1", free_port())
    settings = load_service_settings({"PENSTOCK_SERVICE_LISTEN": str(address), "PENSTOCK_INSTANCE": "billing-1"})
    nursery.start_soon(service.serve, settings)
    lab.gateway.pooling.change(dialling(lab, address))
    await until(lambda: lab.health == {"billing-1": "healthy"})
    assert await status(lab, "/invoices") == 200
    lab.gateway.pooling.change(dialling(lab))
    await until(lambda: (told := lab.gateway.pooling.statistics) is not None and told.connections == 0)
    assert await status(lab, "/invoices") == 404  # it has finished, and is not there any more
