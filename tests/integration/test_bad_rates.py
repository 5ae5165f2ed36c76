"""Whoever asks too much is told so exactly, and finds no way around it."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from identity_lab import jwks, signer
from lab import open_lab
from lab_client import Client, HttpAnswer, request

from penstock import Call, Service

KEY = signer("EdDSA", "k")
PATH = "/things/1"


def make_service() -> Service:
    service = Service("things", version="1.0.0", access="public")

    @service.get("/things/{name}")
    def thing(call: Call, name: str) -> str:
        return name

    @service.post("/things/{name}")
    def changed(call: Call, name: str) -> str:
        return name

    return service


def rated(*limits: str, **more: Any) -> str:
    return json.dumps([{"path": "/things", "rate_limits": limits, **more}])


def is_refused(answer: HttpAnswer) -> bool:
    assert answer.status in (200, 429), answer
    return answer.status == 429 and answer.headers[b"content-length"] != b"0"


async def test_what_is_answered() -> None:
    async with open_lab(rules=rated("3/h by address burst 2", "100/s")) as lab:
        await lab.serve(make_service())
        client = await lab.client()
        assert [(await client.get(PATH)).status for _ in range(2)] == [200, 200]
        answer = await client.get(PATH)
        assert (answer.status, answer.reason) == (429, "rate_limited")
        assert answer.json()["detail"] == "The limit is 3/h by address burst 2."
        assert 1_190 <= int(answer.headers[b"retry-after"]) <= 1_200
        assert answer.headers[b"ratelimit-policy"] == b'"3/h by address burst 2";q=3;w=3600, "100/s by route";q=100;w=1'
        limit, _, left = answer.headers[b"ratelimit"].partition(b";t=")
        assert limit == b'"3/h by address burst 2";r=0'
        assert 1_190 <= int(left) <= 1_200
        assert b"connection" not in answer.headers
        assert lab.reasons == {"rate_limited": 1}


@pytest.mark.parametrize(
    ("method", "path", "lines"),
    [
        ("GET", "/things/1", ["X-Forwarded-For: 192.0.2.1"]),
        ("GET", "/things/1", ["Forwarded: for=192.0.2.1", "X-Real-IP: 192.0.2.1", "True-Client-IP: 192.0.2.1"]),
        ("GET", "/things/1?x=1", []),
        ("GET", "/things/2", []),
        ("GET", "/thing%73/1", []),
        ("GET", "/@1.0.0/things/1", []),
        ("GET", "/things/1", ["X-Service-Version: 1.0.0"]),
        ("GET", "http://other/things/1", []),
        ("GET", "/things/1", ["X-Tenant-Id: other"]),
        ("GET", "/things/1", ["Authorization: Bearer x", "X-Api-Key: x"]),
        ("GET", "/things/1", ["X-Request-Id: other", "Traceparent: x", "Cookie: a=b"]),
        ("GET", "/things/1", ["Connection: close"]),
        ("GET", "/things/1", ["Connection: upgrade", "Upgrade: websocket"]),
        ("POST", "/things/1", ["Transfer-Encoding: chunked"]),
    ],
)
async def test_no_form_of_a_request_is_counted_apart(method: str, path: str, lines: list[str]) -> None:
    async with open_lab(rules=rated("1/h by address"), versions_path_prefix="true") as lab:
        await lab.serve(make_service())
        assert not is_refused(await (await lab.client()).get(PATH))
        client = await lab.client()
        end = b"0\r\n\r\n" if method == "POST" else b""
        await client.send(request(method, path, *lines) + end)
        assert is_refused(await client.answer(method))


async def test_head_counts_as_the_get_that_it_is() -> None:
    async with open_lab(rules=rated("1/h by route")) as lab:
        await lab.serve(make_service())
        client = await lab.client()
        await client.send(request("HEAD", PATH))
        assert (await client.answer("HEAD")).status == 200
        assert is_refused(await client.get(PATH))


async def test_a_reload_forgives_nothing() -> None:
    async with open_lab(rules=rated("1/h by address")) as lab:
        await lab.serve(make_service())
        client = await lab.client()
        assert not is_refused(await client.get(PATH))
        await lab.gateway.change(lab.gateway.configured.config)
        assert is_refused(await client.get(PATH))


async def test_many_tenants_cannot_make_room_for_themselves() -> None:
    """Where there is no room for another key, newcomers are counted together."""
    async with open_lab(rules=rated("1/h by tenant"), rates_keys_max="8") as lab:
        await lab.serve(make_service())
        client = await lab.client()
        refused = [is_refused(await client.get(PATH, f"X-Tenant-Id: t{number}")) for number in range(50)]
        assert refused.count(False) <= 9
        assert is_refused(await client.get(PATH, "X-Tenant-Id: t0"))


async def asked(client: Client, *lines: str) -> bool:
    return is_refused(await client.get(PATH, *lines))


async def test_a_principal_is_one_by_whatever_token(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(jwks(KEY))
    entry = {"name": "login", "issuer": "https://login.example/", "audience": ["penstock"], "algorithms": ["EdDSA"]}
    issuers = json.dumps([{**entry, "jwks": str(tmp_path / "jwks.json")}])
    rules = rated("1/h by principal", access="authenticated")
    async with open_lab(rules=rules, identity_issuers=issuers) as lab:
        await lab.serve(make_service())
        client = await lab.client()
        tokens = [KEY.token({"exp": time.time() + 60 + more, "jti": str(more)}).decode() for more in range(3)]
        others = [KEY.token({"exp": time.time() + 60, "sub": "berta"}).decode()]
        lines = [f"Authorization: Bearer {one}" for one in tokens + others]
        assert [await asked(client, one) for one in lines] == [False, True, True, False]
        assert await asked(client, lines[0], "X-Tenant-Id: other")


async def test_admission_is_counted_before_credentials_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_bytes(jwks(KEY))
    entry = {"name": "login", "issuer": "https://login.example/", "audience": ["penstock"], "algorithms": ["EdDSA"]}
    issuers = json.dumps([{**entry, "jwks": str(tmp_path / "jwks.json")}])
    rules = json.dumps([{"access": "authenticated"}])
    async with open_lab(rules=rules, identity_issuers=issuers, rates_admit="[2/h by address]") as lab:
        await lab.serve(make_service())
        client = await lab.client()
        found = [(await client.get(PATH, f"Authorization: Bearer a.b.c{number}")).reason for number in range(4)]
        assert found == ["unauthenticated"] * 2 + ["rate_limited"] * 2
        assert sum(lab.gateway.configured.identities.callers.refused.values()) == 2
