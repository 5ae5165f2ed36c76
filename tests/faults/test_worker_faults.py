"""Faults between a service and one worker of its gateway: the other feels nothing, and the one is found again."""

import pytest
import trio
from lab import open_lab, run_service, until
from lab_client import WAIT_S
from relay import Direction, Fault, Kind, open_relay

from frames.greeting import WorkerPlace
from penstock import Call, Service, dial

STEADY = {"services_heartbeat": "100ms", "rules": "[{retries: none}]"}
HARMED = {
    **STEADY,
    "services_hello_timeout": "300ms",
    "services_degraded_after": "300ms",
    "services_unhealthy_after": "400ms",
    "services_removed_after": "600ms",
}
CONNECTING = [
    Fault(Kind.CUT),
    Fault(Kind.RESET),
    Fault(Kind.SLOW),
    Fault(Kind.BLACK_HOLE),
    Fault(Kind.BLACK_HOLE, Direction.DOWN, after_bytes=1),
    Fault(Kind.LATENCY, milliseconds=50),
    Fault(Kind.SLICING, Direction.DOWN),
]
CONNECTED = [
    *(Fault(kind, direction) for kind in (Kind.CUT, Kind.RESET, Kind.HALF_CLOSE) for direction in Direction),
    Fault(Kind.BLACK_HOLE),
]


def make_service() -> Service:
    service = Service("things", version="1.0.0", access="public")

    @service.get("/things")
    def things(call: Call) -> bytes:
        return b"here"

    return service


def name(fault: Fault) -> str:
    return f"{fault.kind.value}-{fault.direction.value}"


@pytest.mark.parametrize(
    ("fault", "is_connected"),
    [
        *(pytest.param(fault, False, id=f"connecting-{name(fault)}") for fault in CONNECTING),
        *(pytest.param(fault, True, id=f"connected-{name(fault)}") for fault in CONNECTED),
    ],
)
async def test_what_harms_the_way_to_one_worker_does_not_harm_the_other(
    fault: Fault, is_connected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dial, "WELCOME_S", 1.0)  # which is waited for where nothing comes back
    async with (
        open_lab(**STEADY) as steady,
        open_lab(**HARMED) as harmed,
        open_relay(harmed.addresses.services, None if is_connected else fault) as (relay, port),
        trio.open_nursery() as nursery,
    ):
        places = [
            WorkerPlace(id="0.1", port=steady.addresses.services[1]),
            WorkerPlace(id="1.1", port=port),
        ]
        steady.gateway.change_workers("0.1", places)
        harmed.gateway.change_workers("1.1", places)
        joined = await run_service(nursery, steady.addresses, make_service(), service_heartbeat="100ms")
        statuses: list[int] = []
        asks = trio.CancelScope()

        async def ask() -> None:
            client = await steady.client()
            with asks:
                while True:
                    statuses.append((await client.get("/things")).status)
                    await trio.sleep(0.002)

        nursery.start_soon(ask)
        if is_connected:
            await until(lambda: harmed.health != {})
            relay.arm(fault)
            await until(lambda: harmed.gateway.transport.statistics().closed > 0)
        else:
            await trio.sleep(0.5)
        relay.arm(None)
        client = await harmed.client()
        with trio.fail_after(2 * WAIT_S):
            while (await client.get("/things")).status != 200:  # noqa: ASYNC110
                await trio.sleep(0.01)
        asks.cancel()
        assert set(statuses) == {200}
        assert steady.gateway.transport.statistics().opened == 1  # the connection to the other one is the first one
        joined.cancel()
