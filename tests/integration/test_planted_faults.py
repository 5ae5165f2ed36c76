"""Services and stages that log all they know, as nobody should: no secret gets into a line, an answer or a repr."""

import io
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest
from lab import open_lab
from planted import Plants

from penstock import Call, Service
from penstock.call_fields import CallFields
from penstock.settings import LogSettings, Secret
from penstock.telemetry.logs import set_up_logs
from proxy.request.exchange import Exchange


@contextmanager
def logged(form: str, known: Iterable[Secret]) -> Iterator[io.StringIO]:
    """What is logged in this process meanwhile, complete when it is over."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    logs = set_up_logs(LogSettings(level="debug", format=form), known, stream, filters=[CallFields()])
    try:
        yield stream
    finally:
        logs.close()
        root.handlers[:] = handlers
        root.setLevel(level)


def make_service(plants: Plants) -> Service:
    service = Service("careless", version="1.0.0", access="public")

    @service.post("/told")
    def told(call: Call) -> object:
        """Logs all that it knows of its request, as nobody should."""
        log = logging.getLogger("careless")
        log.info("headers %s, query %s", dict(call.headers.items()), call.target)
        log.info("request", extra={"headers": list(call.headers.items()), "target": call.target, "trace": call.trace})
        log.info("dialling postgres://app:%s@db.example/app", plants.plant("a URL"))
        raise PermissionError(f"Authorization: {call.headers.get('authorization')}, {call!r}")

    return service


@pytest.mark.parametrize("form", ["json", "console"])
async def test_what_says_too_much(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plants = Plants()
    token, cookie, key = plants.plant("services.token"), plants.plant("a cookie"), plants.plant("a header")
    lines = (f"Authorization: Bearer {plants.plant('a token')}", f"Cookie: a={cookie}; b=2", f"X-Session-Token: {key}")
    target = f"/told?access_token={plants.plant('the query')}"

    def fail(exchange: Exchange) -> None:
        head = exchange.fields.caller(exchange.id)
        raise LookupError(f"a stage that says too much: {lines}, {target}, {head!r}, services.token={token}")

    with logged(form, [Secret(token)]) as stream:
        async with open_lab(services_token=token) as lab:
            await lab.serve(make_service(plants), service_token=token)
            client = await lab.client()
            answers = [await client.ask("POST", target, *lines, body=b"{}")]
            monkeypatch.setattr(lab.gateway.lane, "_entry", (fail,))
            monkeypatch.setattr(lab.gateway.lane, "_usual_entry", (fail,))
            monkeypatch.setattr(lab.gateway.lane, "_plain_entry", (fail,))
            answers.append(await client.ask("POST", target, *lines, body=b"{}"))
            assert [answer.status for answer in answers] == [500, 500]
            gateway = lab.gateway
            whole = [gateway.configured.config, gateway.registry.instances, gateway.transport, gateway.lane]
            outputs = {f"repr of {type(each).__name__}": repr(each).encode() for each in whole}
    outputs |= {"log": stream.getvalue().encode(), "answers": b"".join(answer.body for answer in answers)}
    assert [leak for where, output in outputs.items() for leak in plants.found(where, output)] == []
    text = stream.getvalue()
    assert "PermissionError: Authorization: ***" in text
    assert "LookupError: a stage that says too much" in text
    assert text.count("***") >= 12
