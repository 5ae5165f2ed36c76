"""Parts that are made, and loaded, when they are first needed: not before, and then in the state of the gateway."""

from pathlib import Path

import pytest
import trio
from lab import Lab, environment, open_lab, until
from lab_client import request

from proxy.config import load_gateway
from proxy.process.running import Reloading, Sources

BODY = bytes(200_000)
"""More than the wire takes in with a head."""
LARGE = request("POST", "/things", body=BODY)


async def test_the_task_lane_is_made_for_the_first_body_that_is_not_there_yet(lab: Lab) -> None:
    service, client = await lab.raw("GET /things", "POST /things"), await lab.client()
    made = lab.gateway.tasks.__dict__
    for plain in (request("GET", "/things"), request("POST", "/things", body=b"whole")):
        await client.send(plain)
        await service.respond(await service.asked(), 200)
        assert (await client.answer()).status == 200
    assert not {"_hand_over", "_gatherer"} & made.keys()
    assert lab.gateway.tasks.in_progress == 0
    await client.send(LARGE[:-1])
    await until(lambda: lab.gateway.tasks.in_progress == 1)
    assert {"_hand_over", "_gatherer"} <= made.keys()
    await client.send(LARGE[-1:])
    asked = await service.asked()
    assert asked.body == BODY
    await service.respond(asked, 200)
    assert (await client.answer()).status == 200


async def test_a_task_lane_that_is_made_while_draining_knows_of_it(lab: Lab) -> None:
    service, client = await lab.raw("POST /things"), await lab.client()
    lab.gateway.tasks.drain()
    lab.gateway.tasks.give_up_all()  # of nothing: nothing is made for it
    assert "_hand_over" not in lab.gateway.tasks.__dict__
    await client.send(LARGE[:-1])
    await until(lambda: lab.gateway.tasks.in_progress == 1)
    assert lab.gateway.tasks._hand_over.is_draining
    await client.send(LARGE[-1:])
    await service.respond(await service.asked(), 200)
    assert (await client.answer()).status == 200


async def test_the_admin_pages_are_made_for_who_asks(lab: Lab) -> None:
    assert "overview" not in lab.gateway.__dict__
    stream = await trio.open_tcp_stream(*lab.addresses.admin)
    async with stream:
        await stream.send_all(b"GET /health HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")
        assert (await stream.receive_some()).startswith(b"HTTP/1.1 200")
    assert "overview" in lab.gateway.__dict__


@pytest.mark.parametrize(("rules", "is_made"), [("[]", False), ("[{rate_limits: [9/s by address]}]", True)])
async def test_what_counts_is_made_with_the_first_limit(rules: str, is_made: bool) -> None:
    async with open_lab(rules=rules) as lab:
        service, client = await lab.raw("GET /things"), await lab.client()
        assert "limiter" not in lab.gateway.configured.rates.__dict__
        await client.send(request("GET", "/things"))
        await service.respond(await service.asked(), 200)
        assert (await client.answer()).status == 200
        assert ("limiter" in lab.gateway.configured.rates.__dict__) is is_made


async def test_without_files_settings_are_read_again_only_by_who_asks(lab: Lab) -> None:
    loaded = load_gateway(environment())
    reloading = Reloading(Sources(loaded, lambda: loaded), lab.gateway)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reloading.watch)
        await trio.testing.wait_all_tasks_blocked()
        assert "reloader" not in reloading.__dict__
        assert lab.gateway.reloader is not None
        assert (await lab.gateway.reloader().reload("asked")).applied
        assert lab.gateway.reloader() is reloading.reloader
        nursery.cancel_scope.cancel()


async def test_a_settings_file_is_watched_from_the_start(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "penstock.yaml"
    path.write_text("edge: {deadline: 5s}\n")
    loaded = load_gateway(environment(), path=path)
    reloading = Reloading(Sources(loaded, lambda: loaded, path), lab.gateway)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reloading.watch)
        await trio.testing.wait_all_tasks_blocked()
        assert "reloader" in reloading.__dict__
        nursery.cancel_scope.cancel()
