"""Matching through a gateway and a service: precedence, wildcards, OPTIONS, and spellings that try to slip past."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from lab import Lab, open_lab

from penstock import Service

shop = Service("shop", version="1.0.0")


@shop.get("/files/{path...}")
def of_files(call: Any, path: str) -> dict[str, str]:
    return {"files": path, "seen": call.path}


@shop.get("/files/new")
def new_file(call: Any) -> dict[str, str]:
    return {"new": ""}


@shop.get("/files/{name}/meta")
def meta(call: Any, name: str) -> dict[str, str]:
    return {"meta": name}


@shop.post("/admin/users")
def users(call: Any) -> dict[str, str]:
    return {"users": ""}


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with open_lab() as lab:
        await lab.serve(shop)
        yield lab


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/files/", {"files": "", "seen": "/files/"}),
        ("/files/a/b%20c/", {"files": "a/b c/", "seen": "/files/a/b%20c/"}),
        ("/files/%61?x=/y", {"files": "a", "seen": "/files/a"}),
        ("/files/new", {"new": ""}),
        ("/files/new/", {"files": "new/", "seen": "/files/new/"}),
        ("/files/new/meta", {"meta": "new"}),
        ("/files/new/meta/", {"files": "new/meta/", "seen": "/files/new/meta/"}),
    ],
)
async def test_the_best_route_answers(lab: Lab, path: str, answer: dict[str, str]) -> None:
    found = await (await lab.client()).get(path)
    assert (found.status, found.json()) == (200, answer)


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/files", 404, "no_route"),
        ("GET", "/admin/users", 405, "method_not_allowed"),
        ("POST", "/admin/users/", 404, "no_route"),
        ("POST", "/admin/users;a", 404, "no_route"),
        ("POST", "/Admin/users", 404, "no_route"),
        ("POST", "/admin%2Fusers", 400, "bad_path"),
        ("POST", "/files/../admin/users", 400, "bad_path"),
        ("POST", "/files/%2e%2e/admin/users", 400, "bad_path"),
        ("POST", "//admin/users", 400, "bad_path"),
        ("POST", "/files/..;/admin/users", 400, "bad_path"),
        ("GET", "/files/%c0%ae%c0%ae/x", 400, "malformed_path"),
        ("GET", "/files/%2e%2e", 400, "bad_path"),
    ],
)
async def test_what_is_refused(lab: Lab, method: str, path: str, status: int, reason: str) -> None:
    answer = await (await lab.client()).ask(method, path)
    assert (answer.status, answer.reason) == (status, reason)


async def test_options_is_answered_for_every_path(lab: Lab) -> None:
    client = await lab.client()
    for path, allowed in (("/files/x", b"GET, HEAD, OPTIONS"), ("/admin/users", b"POST, OPTIONS")):
        answer = await client.ask("OPTIONS", path)
        assert (answer.status, answer.headers[b"allow"], answer.body) == (204, allowed, b"")
    assert (await client.get("/files/new")).status == 200
