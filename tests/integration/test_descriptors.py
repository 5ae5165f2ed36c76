"""Descriptors run out: accepting pauses and is counted, what is there is served, and all is well when some are free."""

import resource
from pathlib import Path

import pytest
import trio
from lab_client import WAIT_S, Client, request
from process_lab import POLL_S, GatewayProcess, gateway_process, metric, served

pytestmark = pytest.mark.slow

SPARE = 4
CROWD = 12
SETTINGS = "edge:\n  deadline: 9s\n"


def descriptors_of(gateway: GatewayProcess) -> int:
    return len(list(Path(f"/proc/{gateway.process.pid}/fd").iterdir()))


def allow(gateway: GatewayProcess, count: int | None) -> None:
    """Let a process have this many descriptors; None: as many as may be."""
    _, hard = resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (hard if count is None else count, hard))


async def crowd(gateway: GatewayProcess) -> list[Client]:
    """More clients than there are descriptors, each with a request that finds no route."""
    clients = [await gateway.client() for _ in range(CROWD)]
    for client in clients:
        await client.send(request("GET", "/nowhere"))
    return clients


async def until_more(operator: Client, name: str, than: float) -> None:
    with trio.fail_after(WAIT_S):
        while await metric(operator, name) <= than:  # noqa: ASYNC110
            await trio.sleep(POLL_S)


async def test_accepting_pauses_and_recovers(tmp_path: Path) -> None:
    log, settings = tmp_path / "log", tmp_path / "penstock.yaml"
    settings.write_text(SETTINGS)
    with log.open("wb") as file:
        async with gateway_process(file.fileno(), arguments=("--config", str(settings)), reload_watch="0s") as gateway:
            service, client, operator = (
                await gateway.service("GET /things"),
                await gateway.client(),
                await gateway.operator(),
            )
            assert (await served(client, service)).status == 200
            errors = await metric(operator, "penstock_accept_errors_total")
            allow(gateway, descriptors_of(gateway) + SPARE)
            clients = await crowd(gateway)
            await until_more(operator, "penstock_accept_errors_total", errors)

            # Who is there is served: by the edge, and by the admin listener.
            assert (await served(client, service)).status == 200
            assert (await operator.get("/ready")).status == 200
            assert await metric(operator, "penstock_accept_errors_total") < 1000  # nothing spins
            # Neither settings nor an operator's connection can be opened, and that is said.
            allow(gateway, 3)
            refused = await operator.ask("POST", "/reload")
            assert refused.status == 409
            assert "Too many open files" in str(refused.json()["problems"])
            another = await gateway.operator()
            await another.send(request("GET", "/health"))

            allow(gateway, None)
            for each in clients:
                assert (await each.answer()).status == 404
            assert (await another.answer()).status == 200
            assert (await operator.ask("POST", "/reload")).status == 200
            second = await gateway.service("GET /others", service="other", instance="other-1")
            assert (await served(await gateway.client(), service)).status == 200
            await second.stream.aclose()
            assert await gateway.end() == 0
    assert len(log.read_bytes().splitlines()) < 50


async def test_room_that_clients_make_is_used(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as file:
        async with gateway_process(file.fileno()) as gateway:
            operator = await gateway.operator()
            errors = await metric(operator, "penstock_accept_errors_total")
            allow(gateway, descriptors_of(gateway) + SPARE)
            waiting = await crowd(gateway)
            await until_more(operator, "penstock_accept_errors_total", errors)
            while waiting:  # each that leaves makes room for another
                client = waiting.pop(0)
                assert (await client.answer()).status == 404
                await client.aclose()
