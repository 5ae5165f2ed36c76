"""Secrets are planted wherever one may come in: settings, files, requests, HELLO, the admin listener, exceptions. Then
everything that comes out is looked through: logs, access log, answers, metrics, pages, commands.
"""

import itertools
import json
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import trio
from click.testing import CliRunner
from free_port import free_port
from identity_lab import Signer
from lab import environment
from lab_client import WAIT_S, Client, HttpAnswer, request
from lab_service import RawService, make_hello
from lab_tls import make_tls_files
from planted import Plants
from process_lab import GatewayProcess, gateway_process

from frames.codec import encode_frame, encode_response
from frames.frame import END, FieldId, FrameType
from frames.greeting import encode_hello
from proxy.cli.main import command
from proxy.policy.identity.api_keys import make_key

PAGES = """/explain?method=GET&target=/things&header=authorization:Bearer+{0}&header=cookie:a={0}
/explain?method=GET&target=/things?access_token={0}&header=x-api-key:{0}
/explain?method=GET&target=/things&token={0}
/records?id={0}
/records?tenant={0}&limit=1000
/records?limit=1000
/records?ring=notable&limit=1000
/top
/services?password={0}
/nothing?access_token={0}"""
"""What an operator may ask for with somebody's secret in it."""


class World(NamedTuple):
    """A gateway that has been given secrets, and what came out of it so far."""

    plants: Plants
    gateway: GatewayProcess
    folder: Path
    tls_port: int
    admin_token: str
    service_token: str
    key: str
    signer: Signer
    answers: list[HttpAnswer]
    said: list[bytes]
    """To services that were turned away."""


def settings_of(
    folder: Path, plants: Plants, tls_port: int, key_hash: str, signer: Signer, form: str
) -> dict[str, str]:
    tls = make_tls_files(folder)
    plants.take_key("the key of the edge", tls.key)
    plants.take("the secret of an issuer", signer.jwk["k"])
    (folder / "jwks.json").write_text(json.dumps({"keys": [signer.jwk]}))
    issuer = {"name": "login", "issuer": "https://login.example/", "audience": ["penstock"], "algorithms": ["HS256"]}
    return {
        **tls.settings(tls_port),
        "log_level": "debug",
        "log_format": form,
        "access_log_mode": "all",
        "access_log_format": "text" if form == "console" else "json",
        "access_log_output": str(folder / "access"),
        "records_query": "whole",
        "identity_issuers": json.dumps([{**issuer, "jwks": str(folder / "jwks.json")}]),
        "identity_api_keys": json.dumps([{"principal": "alice", "hash": key_hash}]),
        "identity_undeclared": "public",
        "traces_sampled": "100%",
        "rules": json.dumps([{"path": "/private", "access": "authenticated"}]),
        "reload_watch": "0s",
    }


@asynccontextmanager
async def open_world(folder: Path, form: str, plants: Plants, collector: str) -> AsyncIterator[World]:
    made, tls_port = make_key(), free_port()
    signer = Signer("HS256", "one")
    admin_token, service_token = plants.plant("admin.token"), plants.plant("services.token")
    (folder / "admin-token").write_text(admin_token)
    settings = settings_of(folder, plants, tls_port, made.hash, signer, form)
    settings |= {"services_token": service_token, "traces_export": "otlp", "traces_endpoint": collector}
    (folder / "penstock.yaml").write_text(f"admin:\n  token_file: {folder / 'admin-token'}\n")
    with (folder / "log").open("wb") as file:
        async with gateway_process(
            file.fileno(),
            arguments=("--config", str(folder / "penstock.yaml")),
            variables={f"PENSTOCK_{name.upper()}": value for name, value in settings.items()} | of_traces(plants),
        ) as gateway:
            key = plants.take("an API key", made.key)
            yield World(plants, gateway, folder, tls_port, admin_token, service_token, key, signer, [], [])
            assert await gateway.end() == 0


def of_traces(plants: Plants) -> dict[str, str]:
    """What the exporter of traces is told by variables that all programs share."""
    shown = f"authorization=Bearer%20{plants.plant('a header for the collector')}"
    return {"OTEL_EXPORTER_OTLP_HEADERS": shown, "OTEL_BSP_SCHEDULE_DELAY": "10"}


def bearer(world: World) -> str:
    token: bytes = world.signer.token({"exp": 4_000_000_000})
    return world.plants.take(f"a token, {secrets.token_hex(4)}", token.decode())


def requests_of(world: World) -> list[bytes]:
    """Requests of every kind, each with a secret where clients put them."""
    plant, lines = world.plants.plant, []
    tenants = ("GET", "/private")
    shown = [
        f"Authorization: Bearer {bearer(world)}",
        f"Authorization: Bearer {bearer(world)[:-4]}",
        f"Authorization: Bearer {plant('Bearer, no JWT')}",
        f"Authorization: Basic {b64encode(('alice:' + plant('Basic')).encode()).decode()}",
        f"Authorization: Custom {plant('another scheme')}",
        f"Proxy-Authorization: Bearer {plant('Proxy-Authorization')}",
        f"X-Api-Key: {world.key}",
        f"X-Api-Key: {plant('X-Api-Key, unknown')}",
        f"X-Api-Key: psk_{plant('X-Api-Key, unknown, of our form')}",
        f"Cookie: theme=dark; session={plant('Cookie')}",
        f"Cookie: {plant('Cookie without a name')}",
        f"X-Auth-Token: {plant('X-Auth-Token')}",
    ]
    for line in shown:
        lines += [request("GET", "/things", line), request(*tenants, line), request("GET", "/nowhere", line)]
        # Those that cannot be read: a head that is malformed behind the secret, or too long, or said twice.
        lines += [
            request("GET", "/things", line, "bad header: x"),
            request("GET", "/things", line, "A: " + "a" * 20_000),
        ]
        lines += [request("GET", "/things", line, line), request("GET", "/th\x00ings", line)]
    for name in ("access_token", "token", "api_key", "password", "client_secret", "code", "sig"):
        query = f"{name}={plant(f'the query, {name}')}&page=2"
        lines += [
            request("GET", f"/things?{query}"),
            request("GET", f"/nowhere?{query}"),
            request("GET", f"/a b?{query}"),
        ]
    lines += [
        request("GET", f"/things/{bearer(world)}"),
        request("GET", f"/nowhere/psk_{plant('an API key in a path')}/more"),
        request("GET", f"/nowhere;password={plant('a parameter in a path')}/more"),
        request("GET", f"http://alice:{plant('the target, before @')}@edge/things"),
        request("POST", "/things", body=json.dumps({"password": plant("a body")}).encode()),
        request("POST", "/nowhere", body=plant("a body for nobody").encode()),
        b"POST /things HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n\r\n" + plant("a bad chunk").encode(),
        f"GET /things HTTP/1.1\r\n{plant('a line without colon')}\r\n\r\n".encode(),
        plant("no HTTP at all").encode() + b"\r\n\r\n",
    ]
    return lines


async def serve(service: RawService, plants: Plants) -> None:
    """Answer whatever comes: well, with a cookie; or with what cannot be passed on."""
    cookie = encode_response(200, [(FieldId.NAMED, b"set-cookie", f"session={plants.plant('Set-Cookie')}".encode())])
    bad = encode_response(200, [(FieldId.NAMED, b"x-cookie", plants.plant("a bad field of an answer").encode())])
    for payload in itertools.cycle([cookie, cookie, bad.replace(b"x-cookie", b"x cookie")]):
        asked = None
        while asked is None:
            asked = (await service.next())[1]
        await service.send(FrameType.RESPONSE, payload, END, asked.exchange)


async def ask_edge(world: World, port: int, data: bytes) -> None:
    client = Client(await trio.open_tcp_stream("127.0.0.1", port))
    try:
        await client.send(data)
        answer = await client.answer()
        answer.headers.pop(b"set-cookie", None)  # that is for the client
        world.answers.append(answer)
    except (AssertionError, trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # what cannot be read may end without an answer
    finally:
        await trio.aclose_forcefully(client.stream)


async def ask_services(world: World) -> None:
    """Those that may not join, and those that speak no frames."""
    plants, frames = world.plants, []
    for where in ("a wrong token of a service", "a token in a bad HELLO"):
        frames.append(encode_hello(make_hello("GET /things", token=plants.plant(where))))
    frames[1] = frames[1].replace(b"raw", b"R W")
    http = request("GET", "/", f"Authorization: Bearer {plants.plant('HTTP for services')}")
    for data in (*(encode_frame(FrameType.HELLO, 0, 0, payload) for payload in frames), http):
        stream = await trio.open_tcp_stream(*world.gateway.addresses.services)
        await stream.send_all(data)
        world.said.append(await read_to_end(stream))
        await stream.aclose()


async def read_to_end(stream: trio.SocketStream) -> bytes:
    said = b""
    try:
        with trio.fail_after(WAIT_S):
            while data := await stream.receive_some():
                said += data
    except trio.BrokenResourceError:
        pass
    return said


async def ask_admin(world: World) -> dict[str, bytes]:
    """Every page, with the token that counts; and some with others."""
    plants, outputs = world.plants, {}
    operator = await world.gateway.operator()
    allowed = f"Authorization: Bearer {world.admin_token}"
    wrong = f"Authorization: Bearer {plants.plant('a wrong admin token')}"
    assert (await operator.get("/config", wrong)).status == 401
    pages = (await operator.get("/nothing", allowed)).json()["pages"]
    asked = [*pages, *PAGES.format(plants.plant("a question of an operator")).splitlines()]
    for page in asked:
        outputs[f"{page}, locked"] = (await operator.get(page, wrong)).body
        answer = await operator.get(page, allowed)
        assert answer.status != 401
        outputs[page] = answer.body
    outputs["OpenMetrics"] = (await operator.get("/metrics", allowed, "Accept: application/openmetrics-text")).body
    return outputs


async def rotate(world: World) -> dict[str, bytes]:
    """Another admin token; then a file that is wrong, with a secret in it."""
    operator = await world.gateway.operator()
    new = world.plants.plant("admin.token, rotated")
    (world.folder / "admin-token").write_text(new)
    assert (await operator.ask("POST", "/reload", f"Authorization: Bearer {world.admin_token}")).status == 200
    allowed = f"Authorization: Bearer {new}"
    outputs = {"GET /reload": (await operator.get("/reload", allowed)).body}
    before = f"/things?old={world.admin_token}&new={new}"
    await ask_edge(world, world.gateway.addresses.edge[1], request("GET", before, f"Referer: {world.admin_token}"))
    outputs |= run_commands(world, "good")
    bad, file = world.plants.plant("a bad admin.token"), world.folder / "penstock.yaml"
    file.write_text(f"admin:\n  token: {bad} with spaces\nedge:\n  token: {bad}\n")
    refused = await operator.ask("POST", "/reload", allowed)
    assert refused.status == 409
    return outputs | {"what was refused": refused.body} | run_commands(world, "bad")


def run_commands(world: World, how: str) -> dict[str, bytes]:
    """What commands say of the settings."""
    file, outputs = str(world.folder / "penstock.yaml"), {}
    variables = {**environment(world.gateway.addresses), "PENSTOCK_SERVICES_TOKEN": world.service_token}
    commands = ("check", "config show", "config show --output json", "config env", "config diff", "services", "reload")
    for words in commands:
        arguments = [*words.split(), "--config", file, *([file] if words == "config diff" else [])]
        result = CliRunner().invoke(command, arguments, env=variables)
        outputs[f"{words}, {how}"] = result.output.encode() + repr(result.exception).encode()
    return outputs


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "console"])
async def test_no_secret_gets_out_of_a_gateway(tmp_path: Path, form: str) -> None:
    fake = pytest.importorskip("fake_collector", reason="spans are looked at with opentelemetry-proto")
    outputs: dict[str, bytes] = {}
    with fake.collector() as collector:
        world = await gather(outputs, open_world(tmp_path, form, Plants(), collector.url))
        outputs["spans"] = b"".join(request.SerializeToString() for request in collector.requests)
    outputs |= {name: (tmp_path / name).read_bytes() for name in ("log", "access")}
    outputs |= {f"answer {number}": answer.body for number, answer in enumerate(world.answers)}
    outputs |= {f"FAULT {number}": said for number, said in enumerate(world.said)}
    leaks = [leak for where, output in outputs.items() for leak in world.plants.found(where, output)]
    assert leaks == []
    # It was all there to be found: each has written what it should have.
    assert outputs["log"].count(b"\n") > 10
    assert outputs["access"].count(b"\n") > 50
    assert outputs["spans"].count(b"url.path") > 50
    assert len(world.answers) > 80
    assert b"***" in outputs["access"]


async def gather(outputs: dict[str, bytes], opened: AbstractAsyncContextManager[World]) -> World:
    """Ask a gateway for everything; what it says goes to outputs."""
    async with opened as world, trio.open_nursery() as nursery:
        service = await world.gateway.service("GET /things", "POST /things", "GET /private", token=world.service_token)
        nursery.start_soon(serve, service, world.plants)
        for data in requests_of(world):
            await ask_edge(world, world.gateway.addresses.edge[1], data)
        await ask_edge(world, world.tls_port, request("GET", f"/?token={world.plants.plant('HTTP for TLS')}"))
        await ask_services(world)
        outputs |= await ask_admin(world)
        outputs |= await rotate(world)
        nursery.cancel_scope.cancel()
    return world
