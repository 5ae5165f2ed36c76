"""The access log of a whole gateway: what is asked becomes lines, and nobody waits for them."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from lab import Lab, environment, open_lab, until
from lab_client import request
from lab_service import RawService

from frames.codec import encode_refused
from frames.frame import FrameType, RefusedReason
from penstock import Call, Service
from penstock.settings import SettingsError
from proxy.config import load_gateway

service = Service("billing", version="1.4.0", access="public")


@service.get("/invoices/{number}")
def invoice(call: Call, number: str) -> object:
    return {"number": number}


@service.post("/streamed", streams=True)
async def streamed(call: Call) -> None:
    async with call.respond(headers={"content-type": "text/plain"}) as response:
        async for piece in call.stream():
            await response.send(piece)


@service.get("/broken")
def broken(call: Call) -> object:
    raise ZeroDivisionError


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in path.read_text().splitlines()]


def settings(path: Path, **more: str) -> dict[str, str]:
    return {"access_log_mode": "all", "access_log_output": str(path), **more}


async def lines(path: Path, count: int) -> list[dict[str, Any]]:
    """Wait for as many lines."""
    await until(lambda: len(path.read_text().splitlines()) >= count)
    return lines_of(path)


async def ask(lab: Lab, path: str, *fields: str) -> int:
    client = await lab.client()
    return (await client.ask("GET", path, *fields)).status


async def test_every_request_has_a_line(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with open_lab(**settings(path)) as lab:
        await lab.serve(service, instance="b-1")
        assert await ask(lab, "/invoices/42?token=geheim", "X-Tenant-Id: acme", "X-Request-Id: r-1") == 200
        assert await ask(lab, "/nowhere") == 404
        assert await ask(lab, "/broken") == 500
        good, nowhere, failed = await lines(path, 3)
    assert (good["method"], good["target"], good["status"]) == ("GET", "/invoices/42?token=*", 200)
    assert (good["service"], good["route"], good["tenant"]) == ("billing", "/invoices/{number}", "acme")
    assert (good["request_id"], good["client"]) == ("r-1", "127.0.0.1")
    assert [(each["instance"], each["status"], each["version"]) for each in good["attempts"]] == [
        ("billing/b-1", 200, "1.4.0")
    ]
    assert good["total_ms"] >= good["attempts"][0]["took_ms"] > 0
    assert 0 < good["gateway_ms"] <= good["total_ms"]
    assert good["bytes_in"] > 0
    assert good["bytes_out"] > 0
    assert (nowhere["status"], nowhere["reason"]) == (404, "no_route")
    assert "attempts" not in nowhere
    assert (failed["status"], failed.get("reason", ""), failed["attempts"][0]["status"]) == (500, "", 500)


async def test_what_streams_is_counted_in_bytes(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with open_lab(**settings(path)) as lab:
        await lab.serve(service, instance="b-1")
        body = b"x" * 300_000
        client = await lab.client()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, request("POST", "/streamed", body=body))
            answer = await client.answer()
        assert (answer.status, answer.body) == (200, body)
        (line,) = await lines(path, 1)
    assert line["streamed"]
    assert 280_000 < line["bytes_in"] < 301_000  # what came along with the head may be missing
    assert 300_000 < line["bytes_out"] < 310_000
    assert "gateway_ms" not in line


async def test_a_request_that_was_sent_again_tells_of_both(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with open_lab(
        **settings(path), retries_profiles="{at-once: {backoff: 0ms}}", rules="[{retries: at-once}]"
    ) as lab:
        one, other = await lab.raw("GET /things"), await lab.raw("GET /things", instance="raw-2")
        client = await lab.client()
        await client.send(request("GET", "/things"))
        async with trio.open_nursery() as nursery:
            begun: list[int] = []

            async def take(raw: RawService) -> None:
                asked = await raw.asked()
                begun.append(asked.exchange)
                if len(begun) == 1:
                    await raw.send(
                        FrameType.REFUSED, encode_refused(RefusedReason.OVERLOADED, 0), exchange=asked.exchange
                    )
                else:
                    await raw.respond(asked, 200)

            nursery.start_soon(take, one)
            nursery.start_soon(take, other)
        assert (await client.answer()).status == 200
        (line,) = await lines(path, 1)
    assert line["attempt_count"] == 2
    assert [each.get("outcome", each.get("status")) for each in line["attempts"]] == ["refused", 200]
    assert len({each["instance"] for each in line["attempts"]}) == 2


async def test_an_instance_that_has_gone_is_still_named(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with open_lab(**settings(path)) as lab:
        raw, client = await lab.raw("GET /things"), await lab.client()
        await client.send(request("GET", "/things"))
        await raw.asked()
        await raw.aclose()
        assert (await client.answer()).status == 502
        (line,) = await lines(path, 1)
    assert (line["reason"], line["attempts"][0]["outcome"]) == ("service_lost", "lost")
    assert line["attempts"][0]["instance"] == "raw/raw-1"


async def test_text_for_people(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with open_lab(**settings(path, access_log_format="text")) as lab:
        await lab.serve(service, instance="b-1")
        assert await ask(lab, "/invoices/42") == 200
        await until(lambda: path.read_text().endswith("\n"))
    assert ' - - "GET /invoices/42" 200 - ' in path.read_text()
    assert " billing billing/b-1=200:" in path.read_text()


async def test_of_many_requests_chance_draws_some(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    sampled = {"access_log_mode": "sampled", "access_log_sampled": "30%"}
    async with open_lab(**settings(path) | sampled) as lab:
        client = await lab.client()
        for _ in range(400):
            await client.ask("GET", "/nowhere")
    assert 40 < len(lines_of(path)) < 240  # 120 by expectation; further away once in 10^15


async def test_off_writes_nothing_and_loads_nothing() -> None:
    async with open_lab() as lab:
        assert await ask(lab, "/nowhere") == 404
        assert lab.gateway.recording.counts == {}


async def test_counts_are_among_the_metrics(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with open_lab(**settings(path)) as lab:
        assert await ask(lab, "/nowhere") == 404
        await lines(path, 1)
        page = (await lab.admin("/metrics")).body.decode()
    assert 'output="access_log"' in page


async def test_what_was_asked_last_is_written_before_the_end(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with open_lab(**settings(path)) as lab:
        client = await lab.client()
        for _ in range(200):
            await client.send(request("GET", "/nowhere"))
            await client.answer()
        await lab.gateway.drain(1.0)
    assert len(lines_of(path)) == 200


async def test_another_file_counts_from_the_reload_on(tmp_path: Path) -> None:
    one, other = tmp_path / "one.log", tmp_path / "other.log"
    async with open_lab(**settings(one)) as lab:
        assert await ask(lab, "/a") == 404
        await lines(one, 1)
        await lab.gateway.change(load_gateway(environment(**settings(other, records_query="whole"))).settings)
        assert await ask(lab, "/b?c=d") == 404
        (line,) = await lines(other, 1)
        await lab.gateway.change(load_gateway(environment(access_log_mode="off")).settings)
        assert await ask(lab, "/e") == 404
        counts = lab.gateway.recording.counts["access_log"]
    assert line["target"] == "/b?c=d"
    assert (len(lines_of(one)), len(lines_of(other))) == (1, 1)
    assert counts.written == 2


async def test_a_file_that_was_moved_is_made_anew_on_reload(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with open_lab(**settings(path)) as lab:
        assert await ask(lab, "/a") == 404
        await lines(path, 1)
        path.rename(tmp_path / "access.log.1")
        await lab.gateway.change(load_gateway(environment(**settings(path))).settings)
        assert await ask(lab, "/b") == 404
        (line,) = await lines(path, 1)
    assert line["target"] == "/b"


async def test_a_file_that_cannot_be_written_ends_the_reload_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    async with open_lab(**settings(path)) as lab:
        wrong = load_gateway(environment(**settings(tmp_path / "missing" / "access.log"))).settings
        with pytest.raises(SettingsError, match=r"access_log\.output"):
            await lab.gateway.change(wrong)
        assert await ask(lab, "/a") == 404
        assert len(await lines(path, 1)) == 1


async def test_a_reader_that_reads_no_more_does_not_slow_anybody(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    async with open_lab(**settings(fifo)) as lab:
        client = await lab.client()
        with trio.fail_after(30):
            for _ in range(2_000):
                assert (await client.ask("GET", "/nowhere")).status == 404
        counts = lab.gateway.recording.counts["access_log"]
        os.close(reader)
    assert counts.waiting > 0


async def test_a_full_disk_hurts_no_request_and_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async with open_lab(**settings(Path("/dev/full"))) as lab:
        client = await lab.client()
        for number in range(1, 201):
            assert (await client.ask("GET", "/nowhere")).status == 404
            if number == 100:
                await until(lambda: lab.gateway.recording.counts["access_log"].failed == 100)
        await until(lambda: lab.gateway.recording.counts["access_log"].failed == 200)
        assert lab.gateway.recording.counts["access_log"].written == 0
    told = [record.getMessage() for record in caplog.records if record.name == "penstock.access_log"]
    assert len(told) == 1, "now and then, and not with each line"
    assert told[0].endswith(
        "lines of the access log were lost: /dev/full: it cannot be written (a full disk, or nobody reads)"
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"access_log_mode": "some"}, "access_log.mode"),
        ({"access_log_output": "access.log"}, "path from the root"),
        ({"access_log_sampled": "200%"}, "access_log.sampled"),
        ({"access_log_format": "xml"}, "access_log.format"),
        ({"access_log_mode": "all", "metrics_enabled": "false"}, "metrics.enabled"),
        ({"traces_export": "otlp", "metrics_enabled": "false"}, "metrics.enabled"),
        ({"traces_endpoint": "localhost:4318"}, "traces.endpoint"),
        ({"traces_endpoint": "http://user:key@localhost:4318"}, "traces.endpoint"),
        ({"traces_sampled": "a lot"}, "traces.sampled"),
        ({"records_query": "some"}, "records.query"),
    ],
)
def test_settings_that_are_wrong(given: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_gateway(environment(**given))
    assert problem in str(error.value)
