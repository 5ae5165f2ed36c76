"""A bug of ours ends the exchange that it is about, and nothing else: not the gateway, nor what others do meanwhile."""

from collections.abc import AsyncIterator

import pytest
import trio
from lab import Lab
from lab_client import Client, request
from lab_service import RawService, streaming
from lab_streams import Reader, chunked

from frames.frame import CancelReason, FrameType
from proxy.edge.task.answering import Answering
from proxy.edge.task.carriage import Carriage
from proxy.edge.task.gather import Gathering


def fail(*_: object, **__: object) -> None:
    raise LookupError("a bug of ours")


@pytest.fixture
async def service(lab: Lab) -> RawService:
    return await lab.raw(**streaming("GET /down", "PUT /up"))


@pytest.fixture
async def bystander(lab: Lab, service: RawService) -> AsyncIterator[Client]:
    """A stream that goes on, whatever becomes of the others."""
    client = await lab.client()
    await client.send(request("GET", "/down"))
    asked = await service.asked()
    await service.respond(asked, flags=0)
    reader = Reader(client)
    await reader.head()
    yield client
    await service.data(asked, b"unharmed", 1)
    assert await reader.chunk() == b"unharmed"
    assert await reader.chunk() == b""
    await trio.lowlevel.checkpoint()


async def test_a_frame_that_could_not_be_taken(
    lab: Lab, service: RawService, bystander: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = await lab.client()
    await client.send(request("GET", "/down"))
    asked = await service.asked()
    with monkeypatch.context() as patched:
        patched.setattr(Answering, "take", fail)
        await service.respond(asked, flags=0)
        answer = await client.answer()
    assert (answer.status, answer.reason) == (500, "internal")
    assert "a bug of ours" in caplog.text


async def test_an_answer_that_could_not_be_written(
    lab: Lab, service: RawService, bystander: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await lab.client()
    await client.send(request("GET", "/down"))
    asked = await service.asked()
    with monkeypatch.context() as patched:
        patched.setattr(Carriage, "_write", fail)
        await service.respond(asked, flags=0)
        assert await Reader(client).rest() == (b"", False)
    assert await service.cancelled() == (asked.exchange, CancelReason.SHUTDOWN)
    assert lab.reasons == {"internal": 1}


async def test_a_body_that_could_not_be_sent_on(
    lab: Lab, service: RawService, bystander: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await lab.client()
    await client.send(chunked("PUT", "/up", last=b""))
    asked = await service.asked()
    await client.send(b"5\r\nbegun\r\n")
    assert await service.read_body(asked, 5, grants=False) == b"begun"
    with monkeypatch.context() as patched:
        patched.setattr(Carriage, "_arm", fail)
        await client.send(b"3\r\nabc\r\n")
        assert (await Reader(client).rest())[1] is False
    assert (await service.expect(FrameType.DATA)).payload == b"abc"
    assert await service.cancelled() == (asked.exchange, CancelReason.SHUTDOWN)


@pytest.mark.parametrize("name", ["wait", "whole"])
async def test_a_body_that_could_not_be_gathered(
    lab: Lab, service: RawService, bystander: Client, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    other, client = await lab.raw("PUT /gathered", service="other"), await lab.client()
    with monkeypatch.context() as patched:
        patched.setattr(Gathering, name, fail)
        await client.send(chunked("PUT", "/gathered", b"abc", last=b""))
        await trio.sleep(0.01)
        await client.send(b"0\r\n\r\n") if name == "whole" else None
        assert await Reader(client).rest() == (b"", False)
    assert lab.gateway.bytes_in_flight.held == 128 * 1024 + 65_536  # the bystander's
    again = await lab.client()
    await again.send(chunked("PUT", "/gathered", b"abc"))
    asked = await other.asked()
    assert asked.body == b"abc"
    await other.respond(asked)
    assert (await again.answer()).status == 200


@pytest.mark.parametrize(
    ("data", "place", "name"),
    [
        (chunked("PUT", "/gathered", b"abc"), Gathering, "look"),
        (chunked("PUT", "/gathered", b"abc"), Gathering, "whole"),
        (chunked("PUT", "/up", b"abc"), Carriage, "attach"),
        (chunked("PUT", "/up", b"abc"), Carriage, "began"),
    ],
)
async def test_a_request_that_could_not_be_begun(
    lab: Lab,
    service: RawService,
    bystander: Client,
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    place: type,
    name: str,
) -> None:
    await lab.raw("PUT /gathered", service="other")
    client = await lab.client()
    with monkeypatch.context() as patched:
        patched.setattr(place, name, fail)
        await client.send(data)
        assert await Reader(client).rest() == (b"", False)
    assert lab.left["handed over"] == 1  # the bystander's
    if name == "began":
        await service.asked()
        await service.cancelled()
