"""Lines that a handler logs name its request; other lines name none."""

import logging
from typing import TYPE_CHECKING

import pytest
import trio

from frames.frame import FieldId, FrameType
from penstock import Call, Service
from penstock.call_fields import CallFields

TRACE_ID = bytes(range(16))
if TYPE_CHECKING:
    from tests.penstock.conftest import Gateway

log = logging.getLogger("penstock.call-fields-test")
EXTRA = [
    (FieldId.TENANT, b"", b"acme"),
    (FieldId.TRACE, b"", TRACE_ID + bytes(8) + b"\x01"),
    (FieldId.PRINCIPAL, b"", "jürgen".encode()),
]


def make_service() -> Service:
    service = Service("logging", version="1.0.0")

    @service.get("/def")
    def inline(call: Call) -> dict[str, int]:
        deeper()
        return {}

    @service.get("/async")
    async def waiting(call: Call) -> dict[str, int]:
        log.info("before")
        await trio.lowlevel.checkpoint()
        async with trio.open_nursery() as nursery:  # noqa: ASYNC112 - a task is what this is about
            nursery.start_soon(in_a_task)
        await trio.to_thread.run_sync(deeper)
        return {}

    @service.get("/own")
    def own(call: Call) -> dict[str, int]:
        log.info("line", extra={"tenant": "another"})
        return {}

    @service.get("/fails")
    def fails(call: Call) -> dict[str, int]:
        raise ValueError("no")

    return service


def deeper() -> None:
    log.info("line")


async def in_a_task() -> None:
    log.info("line")


class Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.addFilter(CallFields())
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def fields(self, logger: str = log.name) -> list[dict[str, str]]:
        names = ("request_id", "correlation_id", "trace_id", "tenant", "principal")
        return [
            {name: getattr(record, name) for name in names if hasattr(record, name)}
            for record in self.records
            if record.name == logger
        ]


ALL = {
    "request_id": "req-1",
    "correlation_id": "cor-1",
    "trace_id": TRACE_ID.hex(),
    "tenant": "acme",
    "principal": "jürgen",
}


async def logged(gateway: "Gateway", path: str) -> Kept:
    """What is logged when a path is asked for with everything, and then again with less."""
    kept, service = Kept(), make_service()
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(kept)
    root.setLevel(logging.INFO)
    endpoint = next(each.id for each in service.endpoints if each.path == path)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.serve, gateway.settings())
            connection = await gateway.accept()
            await connection.greet()
            await connection.call(1, endpoint, path, extra=EXTRA)
            await connection.expect(FrameType.RESPONSE)
            await connection.call(2, endpoint, path)
            await connection.expect(FrameType.RESPONSE)
            nursery.cancel_scope.cancel()
    finally:
        root.removeHandler(kept)
        root.setLevel(level)
    return kept


LESS = {"request_id": "req-2", "correlation_id": "cor-1"}


@pytest.mark.parametrize(("path", "lines"), [("/def", 1), ("/async", 3)])
async def test_lines_of_handlers(gateway: "Gateway", path: str, lines: int) -> None:
    kept = await logged(gateway, path)
    assert kept.fields() == [ALL] * lines + [LESS] * lines


async def test_what_a_line_says_itself_stays(gateway: "Gateway") -> None:
    assert (await logged(gateway, "/own")).fields() == [ALL | {"tenant": "another"}, LESS | {"tenant": "another"}]


async def test_a_handler_that_failed(gateway: "Gateway") -> None:
    assert (await logged(gateway, "/fails")).fields("penstock.handler") == [ALL, LESS]


async def test_lines_that_belong_to_no_request(gateway: "Gateway") -> None:
    kept = await logged(gateway, "/def")
    others = [name for name in {record.name for record in kept.records} if name != log.name]
    assert others
    assert [fields for name in others for fields in kept.fields(name) if fields] == []
