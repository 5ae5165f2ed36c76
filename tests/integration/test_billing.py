"""The example service behind a gateway: a request's whole way there and back."""

import runpy
from pathlib import Path

import pytest
from lab import Lab

from penstock import Service

EXAMPLE = Path(__file__).parents[2] / "examples" / "billing.py"


@pytest.fixture
async def billing(lab: Lab) -> Lab:
    service: Service = runpy.run_path(str(EXAMPLE))["service"]
    await lab.serve(service)
    return lab


async def test_get_with_a_parameter(billing: Lab) -> None:
    client = await billing.client()
    answer = await client.get("/invoices/42")
    assert answer.status == 200
    assert answer.headers[b"content-type"] == b"application/json"
    invoice = answer.json()
    assert invoice["id"] == "42"
    assert 0 < invoice["remaining_ms"] <= 10_000


async def test_the_client_may_ask_for_less_time_and_never_for_more(billing: Lab) -> None:
    client = await billing.client()
    less = (await client.get("/invoices/42", "X-Request-Timeout-Ms: 700")).json()
    more = (await client.get("/invoices/42", "X-Request-Timeout-Ms: 700000")).json()
    assert 0 < less["remaining_ms"] <= 700
    assert 700 < more["remaining_ms"] <= 10_000


async def test_post_has_its_body_echoed(billing: Lab) -> None:
    client = await billing.client()
    answer = await client.ask("POST", "/invoices", body=b'{"amount": [1, 2]}')
    assert answer.status == 201
    assert answer.json() == {"echo": {"amount": [1, 2]}}


async def test_head_says_how_long_the_body_would_be(billing: Lab) -> None:
    client = await billing.client()
    head = await client.ask("HEAD", "/invoices/42")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers[b"content-length"]) == len('{"id":"42","remaining_ms":9999}')
    assert (await client.get("/invoices/42")).status == 200  # the connection is in order


async def test_a_connection_carries_many_requests(billing: Lab) -> None:
    client = await billing.client()
    for number in range(20):
        assert (await client.get(f"/invoices/{number}")).json()["id"] == str(number)
    assert billing.count("edge_accepted") == 1


async def test_ids_come_back_on_every_answer(billing: Lab) -> None:
    client = await billing.client()
    for target, status in (("/invoices/42", 200), ("/nowhere", 404)):
        given = await client.get(target, "X-Request-Id: r-1", "X-Correlation-Id: c/2")
        assert given.status == status
        assert given.headers[b"x-request-id"] == b"r-1"
        assert given.headers[b"x-correlation-id"] == b"c/2"
        made = await client.get(target)
        assert len(made.headers[b"x-request-id"]) == 32
        assert made.headers[b"x-request-id"] == made.headers[b"x-correlation-id"]
        invalid = await client.get(target, "X-Request-Id: a b")
        assert len(invalid.headers[b"x-request-id"]) == 32


async def test_no_such_path(billing: Lab) -> None:
    client = await billing.client()
    answer = await client.get("/invoices/42/lines")
    assert (answer.status, answer.reason) == (404, "no_route")
    assert (await client.get("/invoices/42")).status == 200


async def test_no_such_method(billing: Lab) -> None:
    client = await billing.client()
    answer = await client.ask("DELETE", "/invoices/42")
    assert (answer.status, answer.reason) == (405, "method_not_allowed")
    assert answer.headers[b"allow"] == b"GET, HEAD, OPTIONS"
    assert (await client.ask("PUT", "/invoices")).headers[b"allow"] == b"POST, OPTIONS"
    answer = await client.ask("OPTIONS", "/invoices/42")
    assert (answer.status, answer.headers[b"allow"], answer.body) == (204, b"GET, HEAD, OPTIONS", b"")


async def test_a_tenant_that_is_none_is_refused(billing: Lab) -> None:
    client = await billing.client()
    answer = await client.get("/invoices/42", "X-Tenant-Id: a b")
    assert (answer.status, answer.reason) == (400, "tenant_invalid")
    assert (await client.get("/invoices/42", "X-Tenant-Id: acme")).status == 200


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "soon", "9999999999"])
async def test_a_time_limit_that_is_none_is_refused(billing: Lab, text: str) -> None:
    client = await billing.client()
    answer = await client.get("/invoices/42", f"X-Request-Timeout-Ms: {text}")
    assert (answer.status, answer.reason) == (400, "request_timeout_invalid")


async def test_a_body_that_the_handler_cannot_read(billing: Lab) -> None:
    client = await billing.client()
    answer = await client.ask("POST", "/invoices", body=b"{")
    assert answer.status == 400
    assert answer.json()["reason"] == "malformed_json"
