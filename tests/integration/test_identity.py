"""Tokens, keys and tenants through a whole gateway: what clients are answered, and what services are told."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
from identity_lab import Signer, jwks, signer
from lab import Lab, open_lab
from lab_client import HttpAnswer
from test_key_sources import Server, ok, serving

from penstock import Call, Service
from proxy.policy.identity.api_keys import make_key

OLD, NEW = signer("EdDSA", "old"), signer("EdDSA", "new")
MADE = make_key()


def token(one: Signer = OLD, **claims: Any) -> str:
    """A token that is good now. claims: in place of the usual ones."""
    signed: bytes = one.token({"exp": time.time() + 60, **claims})
    return f"Authorization: Bearer {signed.decode()}"


def told_by(call: Call) -> dict[str, Any]:
    """What a service knows of who asks."""
    sent = {name: call.headers.get(name) for name in ("authorization", "x-api-key", "x-tenant-id", "principal")}
    return {
        "principal": call.principal,
        "claims": dict(call.claims),
        "tenant": call.tenant,
        "headers": {name: value for name, value in sent.items() if value is not None},
    }


def make_service() -> Service:
    service = Service("billing", version="1.0.0")

    @service.get("/open", access="public")
    async def open_to_all(call: Call) -> dict[str, Any]:
        return told_by(call)

    @service.get("/closed")
    async def closed(call: Call) -> dict[str, Any]:
        return told_by(call)

    @service.get("/written", claims={"scope": ["write"]})
    async def written(call: Call) -> dict[str, Any]:
        return told_by(call)

    @service.post("/posted")
    async def posted(call: Call) -> dict[str, Any]:
        return told_by(call) | {"bytes": len(call.body)}

    return service


def issuers(jwks: object) -> str:
    entry = {"name": "login", "issuer": "https://login.example/", "audience": ["penstock"], "algorithms": ["EdDSA"]}
    return json.dumps([{**entry, "jwks": str(jwks), "tenant_claim": "tenants"}])


KEYS = json.dumps([{"principal": "reports", "hash": MADE.hash, "tenants": ["acme"], "claims": {"scope": "read write"}}])


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    await trio.Path(tmp_path / "jwks.json").write_bytes(jwks(OLD))
    settings = {"identity_issuers": issuers(tmp_path / "jwks.json"), "identity_api_keys": KEYS}
    async with open_lab(identity_undeclared="authenticated", **settings) as lab:
        await lab.serve(make_service())
        yield lab


async def get(lab: Lab, target: str, *lines: str) -> HttpAnswer:
    return await (await lab.client()).get(target, *lines)


async def test_who_proves_nothing(lab: Lab) -> None:
    for target in ("/closed", "/written"):
        answer = await get(lab, target)
        assert (answer.status, answer.reason) == (401, "unauthenticated")
        assert answer.headers[b"www-authenticate"] == b'Bearer realm="penstock"'
        bad = await get(lab, target, "Authorization: Bearer a.b.c")
        assert (bad.status, bad.reason) == (401, "unauthenticated")
        assert bad.headers[b"www-authenticate"] == b'Bearer realm="penstock", error="invalid_token"'
        assert "detail" not in bad.json()
    assert lab.reasons == {"unauthenticated": 4}


async def test_what_a_service_is_told(lab: Lab) -> None:
    for _ in range(2):
        answer = await get(lab, "/closed", token(tenants=["acme"]))
        assert answer.status == 200
        told = answer.json()
        assert (told["principal"], told["tenant"], told["headers"]) == ("anna", "acme", {})
        assert told["claims"]["iss"] == "https://login.example/"


async def test_a_public_route_takes_who_can_be_verified_and_everybody_else(lab: Lab) -> None:
    assert (await get(lab, "/open", token())).json()["principal"] == "anna"
    for line in ("Authorization: Bearer bad", "X-Api-Key: bad-bad-bad-bad-bad", "X-Other: 1"):
        told = (await get(lab, "/open", line)).json()
        assert told == {"principal": None, "claims": {}, "tenant": None, "headers": {}}
    assert (await get(lab, "/open", "Authorization: Basic YTpi")).json()["headers"] == {"authorization": "Basic YTpi"}
    assert (await get(lab, "/open", "X-Tenant-Id: any")).json()["tenant"] == "any"


async def test_claims(lab: Lab) -> None:
    assert (await get(lab, "/written", token())).reason == "forbidden"
    assert (await get(lab, "/written", token(scope="read"))).reason == "forbidden"
    assert (await get(lab, "/written", token(scope="read write"))).status == 200
    answer = await get(lab, "/written", f"X-Api-Key: {MADE.key}")
    assert answer.status == 200
    assert answer.json() == {
        "principal": "reports",
        "claims": {"scope": "read write"},
        "tenant": "acme",
        "headers": {},
    }


async def test_tenants(lab: Lab) -> None:
    both = token(tenants=["acme", "b"])
    assert (await get(lab, "/closed", both, "X-Tenant-Id: b")).json()["tenant"] == "b"
    assert (await get(lab, "/closed", both)).json()["tenant"] is None
    assert (await get(lab, "/closed", both, "X-Tenant-Id: c")).reason == "tenant_forbidden"
    assert (await get(lab, "/closed", token(), "X-Tenant-Id: acme")).reason == "tenant_forbidden"
    for target in ("/open", "/closed"):
        assert (await get(lab, target, token(), "X-Tenant-Id: a b")).reason == "tenant_invalid"
        assert (await get(lab, target, token(tenants="acme"), "X-Tenant-Id:")).reason == "tenant_invalid"
        assert (await get(lab, target, both, "X-Tenant-Id: acme", "X-Tenant-Id: b")).status == 400


async def test_no_client_sets_who_it_is(lab: Lab) -> None:
    lines = ("principal: root", "X-Penstock-Principal: root", "X-Principal: root", "x_tenant_id: acme")
    told = (await get(lab, "/open", *lines)).json()
    assert (told["principal"], told["claims"], told["tenant"]) == (None, {}, None)


async def test_two_credentials_of_a_kind(lab: Lab) -> None:
    assert (await get(lab, "/closed", token(), token())).status == 400
    assert (await get(lab, "/closed", token(), f"X-Api-Key: {MADE.key}")).reason == "unauthenticated"


async def test_bodies_that_a_task_carries(lab: Lab) -> None:
    chunked = (token(tenants=["acme"]), "Transfer-Encoding: chunked")
    client = await lab.client()
    lines = "\r\n".join(["POST /posted HTTP/1.1", "Host: edge", *chunked])
    await client.send(lines.encode() + b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    told = (await client.answer("POST")).json()
    assert (told["principal"], told["tenant"], told["headers"], told["bytes"]) == ("anna", "acme", {}, 5)
    client = await lab.client()
    await client.send(
        b"POST /posted HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )
    assert (await client.answer("POST")).reason == "unauthenticated"


async def test_a_request_waits_for_keys() -> None:
    server = Server({"/": ok(jwks(OLD))})
    server.pause_s = 0.001
    async with serving(server):
        url = f"http://127.0.0.1:{server.port}/"
        async with open_lab(identity_undeclared="authenticated", identity_issuers=issuers(url)) as lab:
            await lab.serve(make_service())
            assert (await get(lab, "/closed", token(tenants="acme"))).json()["tenant"] == "acme"
            assert (await get(lab, "/closed", token(NEW))).reason == "unauthenticated"
            assert len(server.heads) == 1


async def test_an_issuer_that_is_down() -> None:
    server = Server({})
    async with serving(server):
        url = f"http://127.0.0.1:{server.port}/"
        async with open_lab(identity_undeclared="authenticated", identity_issuers=issuers(url)) as lab:
            await lab.serve(make_service())
            answer = await get(lab, "/closed", token())
            assert (answer.status, answer.reason, answer.headers[b"retry-after"]) == (503, "keys_unavailable", b"1")
            assert (await get(lab, "/open", token())).json()["principal"] is None
            assert (await get(lab, "/closed")).reason == "unauthenticated"
