"""The commands that ask a running gateway, against one that runs: what a person sees in a terminal."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio
from click.testing import CliRunner, Result
from lab import Lab, open_lab
from lab_service import make_hello

from frames.frame import FrameType
from frames.greeting import EndpointOffer, encode_hello
from proxy.cli.main import command

RULES = """[{name: things, service: raw, path: /things, deadline: 800ms, rate_limits: [9/h by tenant],
  split: {weights: {1.4.0: 95, 2.0.0: 5}, by: tenant}}]"""
TOKEN = "correct-horse"  # noqa: S105


@asynccontextmanager
async def platform() -> AsyncIterator[Lab]:
    async with open_lab(rules=RULES, admin_token=TOKEN) as lab:
        for instance, version, region in (("raw-1", "1.4.0", "local"), ("raw-2", "2.0.0", "eu-2")):
            await lab.raw("GET /things/{id}", instance=instance, version=version, region=region)
        yield lab


async def run(lab: Lab, *arguments: str, token: str = TOKEN) -> Result:
    """Run a command as if in a terminal, beside the gateway that it asks."""
    listen = "{}:{}".format(*lab.addresses.admin)
    environment = {"PENSTOCK_ADMIN_LISTEN": listen, "PENSTOCK_ADMIN_TOKEN": token}
    return await trio.to_thread.run_sync(lambda: CliRunner().invoke(command, arguments, env=environment))


async def test_services() -> None:
    async with platform() as lab:
        result = await run(lab, "services")
        lines = [re.split(r"  +", line) for line in result.stdout.splitlines()]
        assert lines[0] == [
            *("INSTANCE", "VERSION", "REGION", "HEALTH", "IN FLIGHT", "LATENCY"),
            *("LOAD", "ENDPOINTS", "SINCE", "PEER", "WHY"),
        ]
        assert [line[:8] for line in lines[1:]] == [
            ["raw/raw-1", "1.4.0", "local", "healthy", "0", "-", "-", "1"],
            ["raw/raw-2", "2.0.0", "eu-2", "healthy", "0", "-", "-", "1"],
        ]
        assert all(line[9].startswith("<- 127.0.0.1:") for line in lines[1:])
        assert (await run(lab, "services", "--service", "other")).stdout == "there are no services that are wanted\n"
        (one,) = json.loads((await run(lab, "services", "--path", "/things", "--output", "json")).stdout)[:1]
        assert (one["service"], one["by"]) == ("raw", "dialled in")


async def test_routes() -> None:
    async with platform() as lab:
        result = await run(lab, "routes")
        assert result.exit_code == 0
        assert [re.split(r"  +", line) for line in result.stdout.splitlines()] == [
            ["METHOD", "PATH", "SERVICE", "VERSIONS", "ACCESS", "DEADLINE", "RESPONSES", "ALSO"],
            [
                *("GET", "/things/{id}", "raw", "2.0.0* x1, 1.4.0 x1", "public", "800 ms", "-"),
                "limit 9/h by tenant; split 1.4.0 95 %, 2.0.0 5 % by tenant",
            ],
        ]
        (one,) = json.loads((await run(lab, "routes", "--output", "json")).stdout)
        assert one["origins"]["deadline_ms"] == "things (PENSTOCK_RULES[0])"
        assert (await run(lab, "routes", "--path", "/other")).stdout == "there are no routes that are wanted\n"


async def test_lists_are_whole_though_they_come_in_pages() -> None:
    async with open_lab() as lab:
        paths: set[str] = set()
        for name in ("one", "two", "three"):
            offered = tuple(EndpointOffer(id=number, method="GET", path=f"/{name}/{number}") for number in range(800))
            hello = msgspec.structs.replace(make_hello("GET /x", service=name), endpoints=offered)
            service = await lab.stranger()
            await service.send(FrameType.HELLO, encode_hello(hello))
            await service.expect(FrameType.WELCOME)
            paths.update(endpoint.path for endpoint in offered)
        listed = json.loads((await run(lab, "routes", "--output", "json", token="")).stdout)
        assert {row["path"] for row in listed} == paths
        assert len(listed) == len(paths) == 2_400


async def test_explain() -> None:
    async with platform() as lab:
        result = await run(lab, "explain", "GET", "/things/42", "--tenant", "acme")
        assert result.exit_code == 0, result.output
        assert [re.split(r"  +", line.strip()) for line in result.stdout.splitlines()] == [
            ["GET /things/42"],
            [""],
            ["path", "/things/42, as it came"],
            ["route", "GET /things/{id} of raw", "raw 2.0.0, raw 1.4.0 declare"],
            ["rule things holds", "PENSTOCK_RULES[0]"],
            ["who", "nobody in particular"],
            ["tenant acme"],
            ["access", "anybody may ask", "identity.undeclared"],
            ["rate limits", "9/h by tenant: 9 left", "rule things (PENSTOCK_RULES[0])"],
            ["body", "at most 960KiB", "edge.buffered_bytes"],
            ["deadline", "800ms", "rule things (PENSTOCK_RULES[0])"],
            ["version", "none is named, so the split decides"],
            ["split", "1.4.0: bucket 4,627 of 10,000 by tenant: acme", "rule things (PENSTOCK_RULES[0])"],
            ["95 % 1.4.0, 5 % 2.0.0"],
            ["instance", "raw-1, the only candidate"],
            ["sending", "in a batch, without a task"],
            ["retries: read, up to 3 attempts: whenever it fails, and after 502, 503, 504"],
            ["kept for that up to 64KiB, head and body", "retries.buffer_bytes"],
            ["at most 20% of the service's requests, and 10 a second more", "retries.budget"],
            [""],
            ["INSTANCE", "VERSION", "REGION", "TIER", "HEALTH", "IN FLIGHT", "LATENCY", "LOAD", "SHARE", "WHY"],
            ["raw-1", "1.4.0", "local", "own", "healthy", "0", "-", "-", "10 %", "picked"],
            ["raw-2", "2.0.0", "eu-2", "other", "healthy", "0", "-", "-", "10 %", "another version"],
            [""],
            ["=> sent to raw/raw-1 (1.4.0), due within 800 ms"],
        ]


async def test_explain_says_what_to_change_and_exits_with_1() -> None:
    async with platform() as lab:
        result = await run(lab, "explain", "GET", "/nowhere")
        assert (result.exit_code, result.stderr) == (1, "")
        assert result.stdout.splitlines() == [
            "GET /nowhere",
            "",
            "  path   /nowhere, as it came",
            "",
            "=> refused with 404 no_route: No service offers this path.",
            "   see `penstock routes` for what is offered, and routes.trailing_slash for a slash at the end",
        ]
        answered = await run(lab, "explain", "OPTIONS", "/things/1")
        assert answered.exit_code == 0
        assert answered.stdout.splitlines()[-2:] == [
            "=> answered with 204: The gateway answers by itself.",
            "   allow: GET, HEAD, OPTIONS",
        ]


async def test_explain_takes_all_that_a_request_may_have(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a.b.c\n")
    async with platform() as lab:
        options = ["--header", "x-a:1", "--header", "x-service-version:2.0.0", "--host", "example.com"]
        options += ["--address", "192.0.2.7", "--scheme", "https", "--body-bytes", "0", "--output", "json"]
        options += ["--token-file", str(tmp_path / "token")]
        told = json.loads((await run(lab, "explain", "GET", "/things/42", *options)).stdout)
        assert (told["outcome"], told["version"], told["instance"]) == ("sent", "2.0.0", "raw/raw-2")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--claims", "{}x", "--principal", "a"], "answers 400: The claims are no JSON: JSON is malformed:"),
        (["--claims", '{"a": 1}'], "answers 400: Claims are of a principal; write principal=NAME, too."),
        (["--header", "abc"], "answers 400: 'abc' is no header field; write NAME:VALUE."),
        (["--address", "here"], "answers 400: 'here' is no IP address; write 192.0.2.1."),
        (["--token-file", "/nowhere/token"], "--token-file: cannot read /nowhere/token: No such file or directory;"),
    ],
)
async def test_what_is_wrong_with_a_question_is_one_line(arguments: list[str], line: str) -> None:
    async with platform() as lab:
        result = await run(lab, "explain", "GET", "/things/42", *arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert len(result.stderr.splitlines()) == 1
        assert line in result.stderr


@pytest.mark.parametrize(
    "arguments", [["routes"], ["services"], ["top"], ["tail"], ["trace", "r-1"], ["explain", "GET", "/"], ["reload"]]
)
async def test_nothing_is_told_without_the_token(arguments: list[str]) -> None:
    async with platform() as lab:
        for token, what in (("", "is missing"), ("wrong-horse", "is wrong")):
            result = await run(lab, *arguments, token=token)
            assert (result.exit_code, result.stdout) == (1, "")
            assert f"wants its token, which {what}; set admin.token" in result.stderr


async def test_top() -> None:
    async with platform() as lab:
        result = await run(lab, "top")
        assert result.exit_code == 0, result.output
        lines = result.stdout.splitlines()
        assert lines[0].startswith("gw-1 ")
        assert "routes: 0 of 1, by rate" in lines
        assert [line.split()[:2] for line in lines if "raw/raw-" in line] == [
            ["raw/raw-1", "healthy"],
            ["raw/raw-2", "healthy"],
        ]
        told = json.loads((await run(lab, "top", "--output", "json", "--service", "other")).stdout)
        assert (told["instances"], told["instances_now"]["healthy"]) == ([], 2)


async def test_tail_and_trace() -> None:
    async with platform() as lab:
        client = await lab.client()
        await client.ask("GET", "/nowhere?key=correct-horse-2", "X-Request-Id: r-1")
        result = await run(lab, "tail", "--no-follow")
        assert result.exit_code == 0, result.output
        (line,) = result.stdout.splitlines()
        assert re.split(r"  +", line)[1:2] + re.split(r"  +", line)[3:] == [
            "404",
            "GET /nowhere?key=*",
            "no_route",
            "r-1",
        ]
        assert (await run(lab, "tail", "--no-follow", "--status", "2xx")).stdout == ""
        assert (await run(lab, "tail", "--no-follow", "-n", "0")).stdout == ""
        (told,) = map(json.loads, (await run(lab, "tail", "--no-follow", "--output", "json")).stdout.splitlines())
        assert (told["request_id"], told["reason"]) == ("r-1", "no_route")
        traced = await run(lab, "trace", "r-1")
        assert (traced.exit_code, traced.stdout.splitlines()[0]) == (0, "GET /nowhere?key=* => 404 no_route")
        assert json.loads((await run(lab, "trace", "r-1", "--output", "json")).stdout) == [told]
        nothing = await run(lab, "trace", "r-2")
        assert (nothing.exit_code, nothing.stdout) == (1, "")
        assert "no request that is kept has this id" in nothing.stderr
