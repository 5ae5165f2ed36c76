"""A version that a client asks for, by a header field or before the path: who gets the request, and what it sees."""

from collections.abc import AsyncIterator

import pytest
from lab import Lab, open_lab
from lab_client import request
from lab_service import RawService

from frames.frame import Method


@pytest.fixture
async def prefixed() -> AsyncIterator[Lab]:
    async with open_lab(versions_path_prefix="true", identity_undeclared="public") as lab:
        yield lab


async def two_versions(lab: Lab) -> tuple[RawService, RawService]:
    return (
        await lab.raw("GET /things/{id}", "POST /things", instance="old", version="1.4.0"),
        await lab.raw("GET /things/{id}", "POST /things", instance="new", version="2.0.0"),
    )


async def test_the_highest_unless_the_header_names_one(prefixed: Lab) -> None:
    old, new = await two_versions(prefixed)
    client = await prefixed.client()
    for lines, service in (((), new), (("X-Service-Version: 1.4.0",), old)):
        await client.send(request("GET", "/things/1?a=%2F", *lines))
        asked = await service.asked()
        assert asked.target == b"/things/1?a=%2F"
        await service.respond(asked, 200)
        assert (await client.answer()).status == 200


async def test_a_version_before_the_path_is_not_seen_by_the_service(prefixed: Lab) -> None:
    old, _ = await two_versions(prefixed)
    client = await prefixed.client()
    for number in range(3):  # one connection: it comes back each time
        await client.send(request("GET", f"/@1.4.0/things/{number}?q=/@2.0.0/"))
        asked = await old.asked()
        assert (asked.method, asked.target) == (Method.GET, b"/things/%d?q=/@2.0.0/" % number)
        await old.respond(asked, 200, body=b"old")
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b"old")


@pytest.mark.parametrize("size", [0, 1, 20_000, 200_000])
async def test_a_body_comes_with_it(prefixed: Lab, size: int) -> None:
    old, _ = await two_versions(prefixed)
    client = await prefixed.client()
    body = bytes(range(250)) * (size // 250) + b"x" * (size % 250)
    await client.send(request("POST", "/@1.4.0/things", body=body) + request("POST", "/@1.4.0/things?2", body=b"next"))
    for target, wanted in ((b"/things", body), (b"/things?2", b"next")):
        asked = await old.asked()
        assert (asked.target, asked.body) == (target, wanted)
        await old.respond(asked, 201)
        assert (await client.answer()).status == 201


async def test_an_absolute_target_and_an_encoded_one(prefixed: Lab) -> None:
    old, _ = await two_versions(prefixed)
    client = await prefixed.client()
    for target in ("http://edge/@1.4.0/things/a%7eb", "/@1.4.0/things/a%7eb"):
        await client.send(request("GET", target))
        asked = await old.asked()
        assert asked.target == b"/things/a~b"
        assert dict(asked.headers)[b"host"] == b"edge"
        await old.respond(asked, 200)
        assert (await client.answer()).status == 200


@pytest.mark.parametrize(
    ("target", "field", "status", "reason", "detail"),
    [
        ("/@1.4.1/things/1", "", 404, "version_unknown", "'1.4.1': there are 2.0.0, 1.4.0."),
        ("/things/1", "9.0.0", 404, "version_unknown", "'9.0.0': there are 2.0.0, 1.4.0."),
        ("/@%5E1/things/1", "", 400, "version_invalid", "'^1' is a range; this path takes exact versions only."),
        ("/things/1", "latest", 400, "version_invalid", None),
        ("/@/things/1", "", 400, "version_invalid", None),
        (
            "/@1.4.0/things/1",
            "2.0.0",
            400,
            "version_invalid",
            "The path asks for another version than the header field.",
        ),
        ("/@1.4.0/nothing", "", 404, "no_route", None),
        ("/%401.4.0/things/1", "", 404, "no_route", None),
        ("/@1.4.0/../things/1", "", 400, "bad_path", None),
        ("/@1.4.0//things/1", "", 400, "bad_path", None),
        ("/@1.4.0%2Fthings/1", "", 400, "bad_path", None),
        ("/@^1/things/1", "", 400, "bad_target", None),
    ],
)
async def test_what_is_refused(
    prefixed: Lab, target: str, field: str, status: int, reason: str, detail: str | None
) -> None:
    await two_versions(prefixed)
    lines = [f"x-service-version: {field}"] if field else []
    answer = await (await prefixed.client()).get(target, *lines)
    assert (answer.status, answer.reason) == (status, reason)
    if detail is not None:
        assert answer.json()["detail"] == detail


async def test_without_the_setting_a_path_names_no_version(lab: Lab) -> None:
    await two_versions(lab)
    answer = await (await lab.client()).get("/@1.4.0/things/1")
    assert (answer.status, answer.reason) == (404, "no_route")
