"""A whole service over loopback, and a gateway of several workers, which the test plays."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import trio

from frames.fixed import encode_goaway
from frames.frame import END, FrameType, GoawayReason
from frames.greeting import WORKERS, WorkerPlace
from penstock import Call, Service

if TYPE_CHECKING:
    from tests.penstock.conftest import Gateway

    Workers = tuple[Gateway, Gateway, Gateway]

NOW, LATER, EVENTS = range(3)


class Shop:
    """Answers at once, or when the test lets it."""

    def __init__(self) -> None:
        self.service = Service("shop", version="1.0.0")
        self.go_on = trio.Event()
        self.told: list[str] = []

        @self.service.get("/now")
        def now(call: Call) -> Any:
            return {"id": call.request_id}

        @self.service.get("/later")
        async def later(call: Call) -> Any:
            await self.go_on.wait()
            return {"id": call.request_id}

        @self.service.get("/events", streams=True)
        async def events(call: Call) -> AsyncIterator[str]:
            yield "begun"
            while not call.is_draining:  # noqa: ASYNC110 - as a service would
                await trio.sleep(0.002)
            self.told.append(str(call.request_id))


@pytest.fixture
def shop() -> Shop:
    return Shop()


def listed(workers: "Workers", *ids: str) -> list[WorkerPlace]:
    """Worker `2.1` is behind the third of the listeners."""
    return [WorkerPlace(id=each, port=workers[int(each[0])].port) for each in ids]


async def test_a_service_has_a_connection_to_each_worker_and_answers_on_all(
    workers: "Workers", shop: Shop, nursery: trio.Nursery
) -> None:
    nursery.start_soon(shop.service.serve, workers[0].settings(instance="shop-a"))
    first = await workers[0].accept()
    hello = await first.greet(worker="0.1", workers=listed(workers, "0.1", "1.1", "2.1"))
    assert WORKERS in hello.features
    others = [await workers[1].accept(), await workers[2].accept()]
    for worker, connection in zip(("1.1", "2.1"), others, strict=True):
        again = await connection.greet(worker=worker, workers=listed(workers, "0.1", "1.1", "2.1"))
        assert (again.service, again.instance, again.listed) == ("shop", "shop-a", hello.listed)
    for exchange, connection in enumerate((first, *others), start=1):
        await connection.call(exchange, NOW, "/now")
        assert (await connection.expect(FrameType.RESPONSE)).json() == {"id": f"req-{exchange}"}


async def test_a_new_worker_is_reached_before_the_old_one_goes_and_the_old_one_is_answered(
    workers: "Workers", shop: Shop, nursery: trio.Nursery
) -> None:
    nursery.start_soon(shop.service.serve, workers[0].settings())
    old = await workers[0].accept()
    await old.greet(worker="0.1", workers=listed(workers, "0.1"))
    await old.call(1, LATER, "/later")
    await old.tell_workers("0.1", listed(workers, "0.1", "1.2"))
    new = await workers[1].accept()
    await new.greet(worker="1.2", workers=listed(workers, "0.1", "1.2"))
    await new.call(1, NOW, "/now")
    assert (await new.expect(FrameType.RESPONSE)).status == 200
    await old.tell_workers("0.1", listed(workers, "1.2"))
    await old.send(FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 5000))
    shop.go_on.set()
    assert (await old.expect(FrameType.RESPONSE)).exchange == 1


async def test_a_worker_that_is_dialled_by_its_own_port_may_be_the_first_one_too(
    workers: "Workers", shop: Shop, nursery: trio.Nursery
) -> None:
    nursery.start_soon(shop.service.serve, workers[2].settings())
    first = await workers[2].accept()  # the address that all workers share has led to worker 1
    await first.greet(worker="1.1", workers=listed(workers, "0.1", "1.1"))
    other = await workers[0].accept()
    await other.greet(worker="0.1", workers=listed(workers, "0.1", "1.1"))
    await first.stream.aclose()
    again = await workers[1].accept()  # now by its own port
    await again.greet(worker="1.1", workers=listed(workers, "0.1", "1.1"))
    await again.call(1, NOW, "/now")
    assert (await again.expect(FrameType.RESPONSE)).status == 200


async def test_a_list_of_another_form_is_a_protocol_error_and_the_others_go_on(
    workers: "Workers", shop: Shop, nursery: trio.Nursery
) -> None:
    nursery.start_soon(shop.service.serve, workers[0].settings())
    first = await workers[0].accept()
    await first.greet(worker="0.1", workers=listed(workers, "0.1", "1.1"))
    second = await workers[1].accept()
    await second.greet(worker="1.1", workers=listed(workers, "0.1", "1.1"))
    await second.send(
        FrameType.WELCOME,
        b'{"protocol":1,"features":[],"gateway":"g","heartbeat_ms":1000,"credit_bytes":0,"workers":[]}',
    )
    assert b"worker is missing" in (await second.expect(FrameType.FAULT)).payload
    await first.call(1, NOW, "/now")
    assert (await first.expect(FrameType.RESPONSE)).status == 200


async def test_a_gateway_that_does_not_name_the_feature_is_one_connection_whatever_it_lists(
    workers: "Workers", shop: Shop, nursery: trio.Nursery
) -> None:
    nursery.start_soon(shop.service.serve, workers[0].settings())
    first = await workers[0].accept()
    await first.greet(worker="0.1", workers=listed(workers, "0.1", "1.1"), names_workers=False)
    await first.call(1, NOW, "/now")
    assert (await first.expect(FrameType.RESPONSE)).status == 200
    with trio.move_on_after(0.3):
        await workers[1].accept()
        pytest.fail("it was dialled")


async def test_a_worker_that_is_about_to_go_has_its_streams_ended_and_nobody_elses(
    workers: "Workers", shop: Shop, nursery: trio.Nursery
) -> None:
    nursery.start_soon(shop.service.serve, workers[0].settings())
    places = listed(workers, "0.1", "1.1")
    leaving, staying = await workers[0].accept(), workers[1]
    await leaving.greet(worker="0.1", workers=places, features=("streams",), credit_bytes=1000)
    other = await staying.accept()
    await other.greet(worker="1.1", workers=places, features=("streams",), credit_bytes=1000)
    for exchange, connection in ((1, leaving), (2, other)):
        await connection.call(exchange, EVENTS, "/events")
        await connection.expect(FrameType.RESPONSE)
        await connection.expect(FrameType.DATA)
    for _ in range(2):  # a list that changes meanwhile
        await leaving.tell_workers("0.1", places[1:], leaves_within_ms=40)
    assert (await leaving.expect(FrameType.DATA)).flags == END
    await leaving.call(3, EVENTS, "/events")  # requests come until GOAWAY
    await leaving.call(4, NOW, "/now")
    frames = [await leaving.receive() for _ in range(4)]
    assert sorted(frame.exchange for frame in frames if frame is not None) == [3, 3, 3, 4]
    assert shop.told == ["req-1", "req-3"]
    await other.call(5, NOW, "/now")
    assert (await other.expect(FrameType.RESPONSE)).exchange == 5


async def test_a_drain_says_goodbye_to_all_workers(workers: "Workers", shop: Shop, nursery: trio.Nursery) -> None:
    stop, done = trio.Event(), trio.Event()

    async def serve() -> None:
        await shop.service.serve(workers[0].settings(), stop=stop)
        done.set()

    nursery.start_soon(serve)
    connections = []
    for index in range(3):
        connections.append(await workers[index].accept())
        await connections[-1].greet(worker=f"{index}.1", workers=listed(workers, "0.1", "1.1", "2.1"))
    await connections[2].call(1, NOW, "/now")
    await connections[2].expect(FrameType.RESPONSE)
    stop.set()
    for connection in connections:
        await connection.expect(FrameType.GOAWAY)
        await connection.stream.aclose()
    with trio.fail_after(5):
        await done.wait()
