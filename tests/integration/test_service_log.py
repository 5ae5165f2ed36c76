"""The log of a service that is a process of its own: its lines name the request, and hide its token."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio
from lab import open_lab, until
from lab_client import WAIT_S

pytestmark = pytest.mark.slow

TOKEN = "correct-horse-battery-staple"  # noqa: S105 - a test's own

SERVICE = """
import logging
from penstock import Call, Service

service = Service("billing", version="1.0.0", access="public")

@service.get("/def")
def inline(call: Call) -> object:
    logging.getLogger("billing").debug("asked with correct-horse-battery-staple")
    return {"request_id": call.request_id}

@service.get("/async")
async def waiting(call: Call) -> object:
    logging.getLogger("billing").debug("asked")
    logging.getLogger("another").debug("not wanted")
    return {"request_id": call.request_id}

service.run()
"""


async def test_lines_name_their_request(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with open_lab(services_token=TOKEN) as lab:
        variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_")},
            "PENSTOCK_GATEWAYS": "tcp://{}:{}".format(*lab.addresses.services),
            "PENSTOCK_SERVICE_TOKEN": TOKEN,
            "PENSTOCK_LOG_LEVELS": "billing=debug,penstock=error",
        }
        with log.open("wb") as file:
            command = [sys.executable, "-c", SERVICE]
            process = await trio.lowlevel.open_process(command, env=variables, stdin=subprocess.DEVNULL, stderr=file)
            try:
                await until(lambda: bool(lab.gateway.registry.instances))
                client = await lab.client()
                ids = [
                    (await client.get(path, "X-Tenant-Id: acme")).json()["request_id"] for path in ("/def", "/async")
                ]
            finally:
                process.terminate()
                with trio.move_on_after(WAIT_S, shield=True):
                    await process.wait()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["message"], line["request_id"], line["tenant"]) for line in lines] == [
        ("asked with ***", ids[0], "acme"),
        ("asked", ids[1], "acme"),
    ]
    assert all(len(line["trace_id"]) == 32 for line in lines)
