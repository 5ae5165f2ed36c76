"""Prometheus itself scrapes a gateway that runs, keeps the recorded series, and judges the alerts."""

import json
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from deploy_support import DEPLOY, rules
from free_port import free_port
from lab import open_lab
from lab_client import Client

from penstock import Service

WITHIN_S = 30.0
POLL_S = 0.2


def configuration(folder: Path, port: int) -> Path:
    """What is in deploy/, for another address and without waiting so long."""
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    text = text.replace("127.0.0.1:9901", f"127.0.0.1:{port}").replace(
        "rules/*.yml", f"{DEPLOY}/prometheus/rules/*.yml"
    )
    text = re.sub(r"(scrape_interval|evaluation_interval): \d+s", r"\1: 1s", text)
    path = folder / "prometheus.yml"
    path.write_text(re.sub(r"scrape_timeout: \d+s", "scrape_timeout: 1s", text))
    return path


async def ask(port: int, question: str) -> list[dict[str, Any]]:
    """What Prometheus answers; nothing while it starts."""
    try:
        client = Client(await trio.open_tcp_stream("127.0.0.1", port))
    except OSError:
        return []
    try:
        answer = await client.ask("GET", f"/api/v1/query?query={question}", "Connection: close")
    finally:
        await client.aclose()
    return list(json.loads(answer.body)["data"]["result"]) if answer.status == 200 else []


@pytest.mark.slow
async def test_prometheus_reads_what_a_gateway_tells(tmp_path: Path) -> None:
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (on Debian as root: apt-get install prometheus)")
    service = Service("billing", version="1.0.0")
    service.get("/invoices/{id}")(lambda call, id: {"id": id})  # noqa: A006
    async with open_lab() as lab, trio.open_nursery() as nursery:
        await lab.serve(service)
        port = free_port()
        line = [program, f"--config.file={configuration(tmp_path, lab.addresses.admin[1])}"]
        line += [f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
        with (tmp_path / "log").open("wb") as log:
            started = partial(trio.run_process, line, stdout=log, stderr=log, check=False)
            process = await nursery.start(started)
            client = await lab.client()
            with trio.fail_after(WITHIN_S):
                while not (found := await ask(port, "penstock:requests:rate5m>0")):
                    assert process.returncode is None, (tmp_path / "log").read_text()
                    await client.ask("GET", "/invoices/1")
                    await trio.sleep(POLL_S)
            assert [each["metric"] for each in found] == [
                {"__name__": "penstock:requests:rate5m", "service": "billing"}
            ]
            (up,) = await ask(port, "up")
            assert up["value"][1] == "1"
            alerts = [each["metric"] for each in await ask(port, "ALERTS")]
            assert [each for each in alerts if each["alertstate"] != "pending"] == []  # some may be, on a slow machine
            assert len(rules("alerts.yml")) > 40
        nursery.cancel_scope.cancel()
