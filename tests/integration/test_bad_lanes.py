"""Every way in meets every rule: whatever form a request has, and whoever carries it, no stage is passed by."""

import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio
import trio.testing
from free_port import free_port
from identity_lab import jwks, signer
from lab import Lab, open_lab, until
from lab_client import WAIT_S, Client, HttpAnswer
from lab_service import RawService
from lab_tls import TlsFiles, make_tls_files
from test_key_sources import Server, ok, serving

from frames.greeting import EndpointOffer
from penstock import Call, Service

KEY = signer("EdDSA", "k")
BODY = b"0123456789"


def make_service() -> Service:
    """Everything is offered twice: by endpoints that stream, and by endpoints that do not."""
    service = Service("things", version="1.0.0", access="public")
    for kind, streams in (("gathered", False), ("streamed", True)):

        async def answer(call: Call, streams: bool = streams) -> dict[str, Any]:
            if streams:
                async for _ in call.stream():
                    pass
            return {"principal": call.principal, "tenant": call.tenant}

        for name in ("open", "closed", "claimed", "owned", "rated", "short", "placed", "split"):
            service.post(f"/{kind}/{name}", streams=streams)(answer)
            service.get(f"/{kind}/{name}", streams=streams)(answer)
    return service


RULES: list[dict[str, Any]] = [
    {"path": "/{kind}/closed", "access": "authenticated"},
    {"path": "/{kind}/claimed", "claims": {"scope": ["write"]}},
    {"path": "/{kind}/owned", "tenant": "required"},
    {"path": "/{kind}/rated", "rate_limits": ["1/h by address, route"]},
    {"path": "/{kind}/short", "body_bytes": "4B"},
    {"path": "/{kind}/placed", "placement": "aggregate_placement"},
    {"path": "/{kind}/split", "split": {"weights": {"^2": "100"}}},
]
MAP = "{kind: aggregate_placement, revision: 1, shards: {one: [elsewhere]}, tenants: {acme: one}}"


class Way(NamedTuple):
    """One form of a request. write: (target, lines) -> bytes; comes_later: after which the body is there."""

    write: Callable[[str, list[str]], bytes]
    comes_later: bytes = b""


def head(line: str, *lines: str, end: str = "\r\n") -> bytes:
    return (end.join([line, *lines]) + end + end).encode()


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
WAYS = {
    "plain": Way(lambda target, lines: head(f"POST {target} HTTP/1.1", "Host: edge", LENGTH, *lines) + BODY),
    "late": Way(lambda target, lines: head(f"POST {target} HTTP/1.1", "Host: edge", LENGTH, *lines), BODY),
    "chunked": Way(
        lambda target, lines: head(f"POST {target} HTTP/1.1", "Host: edge", CHUNKED, *lines) + chunked(BODY)
    ),
    "chunked, late": Way(
        lambda target, lines: head(f"POST {target} HTTP/1.1", "Host: edge", CHUNKED, *lines) + b"1\r\n0\r\n",
        chunked(BODY[1:]),
    ),
    "expecting": Way(
        lambda target, lines: head(f"POST {target} HTTP/1.1", "Host: edge", LENGTH, "Expect: 100-continue", *lines),
        BODY,
    ),
    "absolute": Way(
        lambda target, lines: head(f"POST http://edge{target} HTTP/1.1", "Host: other", LENGTH, *lines) + BODY
    ),
    "1.0": Way(lambda target, lines: head(f"POST {target} HTTP/1.0", LENGTH, *lines) + BODY),
    "spelled": Way(
        lambda target, lines: (
            head(f"POST /%{ord(target[1]):x}{target[2:]} HTTP/1.1", "Host: edge", LENGTH, *lines) + BODY
        )
    ),
    "with a version": Way(
        lambda target, lines: head(f"POST /@1.0.0{target} HTTP/1.1", "Host: edge", LENGTH, *lines) + BODY
    ),
    "upgrading": Way(
        lambda target, lines: head(
            f"GET {target} HTTP/1.1", "Host: edge", "Connection: upgrade", "Upgrade: websocket", *lines
        )
    ),
    "mended": Way(lambda target, lines: head(f"POST {target} HTTP/1.1", "Host: edge", LENGTH, *lines, end="\n") + BODY),
    "mended, late": Way(
        lambda target, lines: b"\r\n" + head(f"POST {target} HTTP/1.1", "Host: edge", LENGTH, *lines), BODY
    ),
    "dotted": Way(lambda target, lines: head(f"POST /x/..{target} HTTP/1.1", "Host: edge", LENGTH, *lines) + BODY),
}
TOLERANT = ("mended", "mended, late", "dotted")
KINDS = ("gathered", "streamed")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TlsFiles:
    return make_tls_files(tmp_path_factory.mktemp("tls"))


def issuers(keys: object) -> str:
    entry = {"name": "login", "issuer": "https://login.example/", "audience": ["penstock"], "algorithms": ["EdDSA"]}
    return json.dumps([{**entry, "jwks": str(keys), "tenant_claim": "tenant"}])


def bearer(**claims: Any) -> str:
    return f"Authorization: Bearer {KEY.token({'exp': time.time() + 60, **claims}).decode()}"


class Entrance:
    """A gateway, and a way into it."""

    def __init__(self, lab: Lab, way: Way, tls: tuple[int, ssl.SSLContext] | None = None) -> None:
        self.lab = lab
        self.way = way
        self._tls = tls

    async def ask(self, target: str, *lines: str) -> HttpAnswer:
        client = await self._client()
        try:
            await client.send(self.way.write(target, list(lines)))
            if self.way.comes_later:
                await trio.testing.wait_all_tasks_blocked(0.002)
                await client.send(self.way.comes_later)
            return await final_answer(client)
        finally:
            await client.aclose()

    async def _client(self) -> Client:
        if self._tls is None:
            return await self.lab.client()
        port, context = self._tls
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        secured = trio.SSLStream(stream, context, server_hostname="localhost", https_compatible=True)
        return Client(secured)  # type: ignore[arg-type] # it sends and receives alike


async def final_answer(client: Client) -> HttpAnswer:
    """The answer that comes after 100, if that comes."""
    with trio.fail_after(WAIT_S):
        client._held += await client.stream.receive_some(65_536)
    client._held = client._held.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    return await client.answer("POST")


ENTRANCES = [
    pytest.param((name, is_secured), id=f"{name}-{'https' if is_secured else 'http'}")
    for is_secured in (False, True)
    for name in WAYS
    if not (is_secured and name == "absolute")  # its scheme is http
]


@pytest.fixture(params=ENTRANCES)
async def entrance(request: pytest.FixtureRequest, tmp_path: Path, files: TlsFiles) -> AsyncIterator[Entrance]:
    name, is_secured = request.param
    (tmp_path / "jwks.json").write_bytes(jwks(KEY))
    port = free_port() if is_secured else 0
    more = files.settings(port) if is_secured else {}
    async with open_lab(**settings(name, tmp_path, tmp_path / "jwks.json"), **more) as lab:
        await lab.serve(make_service())
        context = ssl.create_default_context(cafile=str(files.authority)) if is_secured else None
        yield Entrance(lab, WAYS[name], (port, context) if context else None)


def settings(name: str, folder: Path, keys: object) -> dict[str, str]:
    (folder / "map.yaml").write_text(MAP)
    return {
        "identity_issuers": issuers(keys),
        "placement_maps": str(folder / "map.yaml"),
        "rules": json.dumps(RULES),
        "versions_path_prefix": "true",
        "edge_parsing": "tolerant" if name in TOLERANT else "strict",
    }


def told(answer: HttpAnswer) -> tuple[int, str]:
    return answer.status, answer.reason if answer.status >= 400 else ""


@pytest.mark.parametrize("kind", KINDS)
async def test_every_rule_holds(entrance: Entrance, kind: str) -> None:
    ask, has_body = entrance.ask, entrance.way is not WAYS["upgrading"]
    names_version = entrance.way is WAYS["with a version"]  # which is not split, then
    good, other = bearer(tenant="acme"), bearer(scope="write", tenant=["a", "b"])
    assert told(await ask(f"/{kind}/open")) == (200, "")
    assert told(await ask(f"/{kind}/closed")) == (401, "unauthenticated")
    assert told(await ask(f"/{kind}/closed", good + "x")) == (401, "unauthenticated")
    answer = await ask(f"/{kind}/closed", good)
    assert (answer.status, answer.json()) == (200, {"principal": "anna", "tenant": "acme"})
    assert told(await ask(f"/{kind}/claimed", good)) == (403, "forbidden")
    assert told(await ask(f"/{kind}/claimed", other)) == (200, "")
    assert told(await ask(f"/{kind}/claimed", other, "X-Tenant-Id: c")) == (403, "tenant_forbidden")
    assert told(await ask(f"/{kind}/owned")) == (400, "tenant_missing")
    assert told(await ask(f"/{kind}/owned", "X-Tenant-Id: a b")) == (400, "tenant_invalid")
    assert told(await ask(f"/{kind}/rated")) == (200, "")
    assert told(await ask(f"/{kind}/rated")) == (429, "rate_limited")
    assert told(await ask(f"/{kind}/rated", "X-Forwarded-For: 192.0.2.1", good)) == (429, "rate_limited")
    assert told(await ask(f"/{kind}/short")) == ((413, "body_too_large") if has_body else (200, ""))
    assert told(await ask(f"/{kind}/placed", good)) == (503, "shard_missing")
    assert told(await ask(f"/{kind}/split")) == ((200, "") if names_version else (503, "no_instance"))
    unknown = (400, "version_invalid") if names_version else (404, "version_unknown")
    assert told(await ask(f"/{kind}/open", "X-Service-Version: 9.0.0")) == unknown


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", ["plain", "chunked", "chunked, late", "expecting", "with a version", "upgrading"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("closed", (200, "")),
        ("claimed", (403, "forbidden")),
        ("short", (413, "body_too_large")),
        ("placed", (503, "shard_missing")),
        ("split", (503, "no_instance")),
    ],
)
async def test_every_rule_holds_after_a_wait_for_keys(
    tmp_path: Path, way: str, kind: str, name: str, expected: tuple[int, str]
) -> None:
    server = Server({"/": ok(jwks(KEY))})
    server.pause_s = 0.001
    async with serving(server):
        keys = f"http://127.0.0.1:{server.port}/"
        rules = json.dumps([*RULES, {"access": "authenticated"}])  # on public routes, nobody waits
        async with open_lab(**settings(way, tmp_path, keys) | {"rules": rules}) as lab:
            await lab.serve(make_service())
            if (way, name) in (("upgrading", "short"), ("with a version", "split")):
                expected = (200, "")
            assert told(await Entrance(lab, WAYS[way]).ask(f"/{kind}/{name}", bearer(tenant="acme"))) == expected
            assert len(server.heads) == 1


# ---- what changes while a body is on its way ----

LATE = b"POST /admin HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


def offer(path: str, **said: Any) -> EndpointOffer:
    return EndpointOffer(id=1, method="POST", path=path, **said)


async def begun(lab: Lab) -> Client:
    """A client whose body is not whole, and whose request was let through so far."""
    client = await lab.client()
    await client.send(LATE)
    await until(lambda: lab.gateway.tasks.in_progress == 1)
    return client


@pytest.mark.parametrize("said", [{"access": "authenticated"}, {"claims": {"role": ("root",)}}])
async def test_a_path_that_is_another_services_by_then(said: dict[str, Any]) -> None:
    async with open_lab() as lab:
        await lab.raw(service="site", instance="site-1", endpoints=(offer("/{path...}", access="public"),))
        client = await begun(lab)
        await lab.raw(service="office", instance="office-1", endpoints=(offer("/admin", **said),))
        await client.send(b"0\r\n\r\n")
        assert told(await client.answer("POST")) == (401, "unauthenticated")


async def test_another_version_that_asks_for_more_by_then() -> None:
    async with open_lab() as lab:
        old: RawService = await lab.raw(instance="old", endpoints=(offer("/admin", access="public"),))
        client = await begun(lab)
        endpoints = (offer("/admin", access="authenticated"),)
        await lab.raw(instance="new", version="2.0.0", endpoints=endpoints)
        await old.aclose()
        await until(lambda: len(lab.gateway.registry.instances) == 1)
        await client.send(b"0\r\n\r\n")
        assert told(await client.answer("POST")) == (401, "unauthenticated")


async def test_another_route_that_takes_less_by_then() -> None:
    async with open_lab() as lab:
        await lab.raw(service="site", instance="site-1", endpoints=(offer("/{path...}", access="public"),))
        client = await begun(lab)
        endpoints = (offer("/admin", access="public", body_bytes=4),)
        await lab.raw(service="office", instance="office-1", endpoints=endpoints)
        await client.send(b"0\r\n\r\n")
        answer = await client.answer("POST")
        assert (answer.status, answer.reason) == (413, "body_too_large")
        assert answer.json()["detail"] == "At most 4 bytes are taken here."
