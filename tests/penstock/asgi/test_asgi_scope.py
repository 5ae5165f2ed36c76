"""What an application is told of a request."""

from typing import Any

import pytest
from asgi_support import bridged, length, part, start

from penstock import testing
from penstock.asgi.messages import Receive, Scope, Send


async def scope_of(method: str = "GET", target: str = "/", *, root_path: str = "", **more: Any) -> Scope:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        identity = scope["extensions"]["penstock"]
        seen.append(dict(scope) | {"identity": {name: identity[name] for name in identity}, "repr": repr(identity)})
        await send(start(200, length(0)))
        await send(part())

    async with bridged(app, lifespan="off", root_path=root_path) as service:
        await testing.call(service, method, target, **more)
    return seen[0]


async def test_a_plain_request() -> None:
    scope = await scope_of("GET", "/a%20b?c=%20d", headers={"Host": "shop.example:8080", "X-Twice": "1"})
    assert {key: scope[key] for key in ("type", "method", "path", "raw_path", "query_string", "root_path")} == {
        "type": "http",
        "method": "GET",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "query_string": b"c=%20d",
        "root_path": "",
    }
    assert (scope["scheme"], scope["http_version"]) == ("http", "1.1")
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
    assert scope["server"] == ("shop.example", 8080)
    assert scope["client"] == ("127.0.0.1", 0)
    assert (b"x-twice", b"1") in scope["headers"]


@pytest.mark.parametrize(
    ("host", "server"),
    [("shop.example", ("shop.example", 80)), ("[::1]", ("::1", 80)), ("[::1]:81", ("::1", 81))],
)
async def test_the_server_is_what_host_says(host: str, server: tuple[str, int]) -> None:
    assert (await scope_of(headers={"Host": host}))["server"] == server


async def test_https_is_the_scheme_and_its_port() -> None:
    scope = await scope_of(headers={"Host": "shop.example"}, scheme="https")
    assert (scope["scheme"], scope["server"]) == ("https", ("shop.example", 443))


async def test_context_comes_back_as_the_fields_that_carry_it() -> None:
    scope = await scope_of(tenant="acme")
    headers = dict(scope["headers"])
    assert headers[b"x-tenant-id"] == b"acme"
    assert headers[b"x-correlation-id"] == b"test-correlation"
    assert headers[b"x-request-id"] == b"test-request"
    version, trace, span, flags = headers[b"traceparent"].split(b"-")
    assert (version, len(trace), len(span), flags) == (b"00", 32, 16, b"00")


async def test_who_asks() -> None:
    scope = await scope_of(tenant="acme", principal="anna", claims={"role": ["clerk"]})
    assert scope["identity"] == {
        "principal": "anna",
        "claims": {"role": ["clerk"]},
        "tenant": "acme",
        "correlation_id": "test-correlation",
        "request_id": "test-request",
        "remaining_ms": scope["identity"]["remaining_ms"],
        "attempt": 1,
    }
    assert "clerk" not in scope["repr"]
    nobody = (await scope_of())["identity"]
    assert (nobody["principal"], nobody["claims"], nobody["tenant"]) == (None, None, None)


async def test_how_long_the_body_is() -> None:
    assert dict((await scope_of("POST", body=b"abc"))["headers"])[b"content-length"] == b"3"
    assert b"content-length" not in dict((await scope_of("GET"))["headers"])
    assert dict((await scope_of("POST", body=b"x" * 100_000))["headers"])[b"content-length"] == b"100000"

    async def pieces() -> Any:
        yield b"abc"

    headers = dict((await scope_of("POST", body=pieces()))["headers"])
    assert headers[b"transfer-encoding"] == b"chunked"
    assert b"content-length" not in headers


async def test_a_root_path_is_in_the_path_too() -> None:
    scope = await scope_of("GET", "/shop/items", root_path="/shop")
    assert (scope["root_path"], scope["path"]) == ("/shop", "/shop/items")
