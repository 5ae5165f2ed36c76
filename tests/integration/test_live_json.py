"""Every command that asks a running gateway tells a program: JSON, and nothing else, on standard output."""

import json

import pytest
import trio
from click.testing import CliRunner, Result
from lab import Lab, open_lab

from proxy.cli.main import SECTIONS, command

ASKED = [
    ["top", "--once"],
    ["tail", "--no-follow"],
    ["trace", "lab-1"],
    ["explain", "GET", "/things/1"],
    ["routes"],
    ["services"],
    ["fleet"],
    ["workers"],
    ["log-level"],
]
ELSEWHERE = {"reload", "upgrade", "drain"}
"""They need settings to be read from, or end the gateway: they are tested where processes are started."""


async def run(lab: Lab, *arguments: str) -> Result:
    listen = {"PENSTOCK_ADMIN_LISTEN": "{}:{}".format(*lab.addresses.admin)}
    return await trio.to_thread.run_sync(lambda: CliRunner().invoke(command, arguments, env=listen))


def test_all_of_them_are_asked() -> None:
    named = {*SECTIONS["Look at a running gateway"], *SECTIONS["Change a running gateway"]}
    assert {arguments[0] for arguments in ASKED} | ELSEWHERE == named


@pytest.mark.parametrize("arguments", ASKED, ids=" ".join)
async def test_json_is_all_that_stands_on_standard_output(arguments: list[str]) -> None:
    async with open_lab() as lab:
        service = await lab.raw("GET /things/{id}")
        async with trio.open_nursery() as nursery:
            client = await lab.client()
            nursery.start_soon(client.ask, "GET", "/things/1", "X-Request-Id: lab-1")
            await service.respond(await service.asked(), 200)
        result = await run(lab, *arguments, "--output", "json")
    assert result.exit_code in (0, 1), result.output  # 1: an instance that does not say how it is
    assert result.stderr == ""
    lines = result.stdout.splitlines() if arguments[0] == "tail" else [result.stdout]
    assert lines
    for line in lines:
        assert isinstance(json.loads(line), dict | list)
