"""Spellings of a path that try to slip past what protects it, in both modes of parsing, with the exact answer.

A public wildcard lies around a route that wants an identity: whatever is not that route's falls to the wildcard, so a
spelling that only looks like another path would be let in.
"""

import json
from typing import Any

import pytest
from lab import open_lab
from lab_client import HttpAnswer, request

from penstock import Call, Service

service = Service("shop", version="1.0.0", access="public")


@service.get("/files/{path...}")
def files(call: Call, path: str) -> dict[str, Any]:
    return {"files": path}


@service.get("/files/secret", access="authenticated")
def secret(call: Call) -> dict[str, Any]:
    return {"secret": ""}


@service.get("/files/secret/{name}", access="authenticated")
def below(call: Call, name: str) -> dict[str, Any]:
    return {"secret": name}


@service.get("/admin", access="authenticated")
def admin(call: Call) -> dict[str, Any]:
    return {"admin": ""}


REFUSED = (401, "unauthenticated")
BAD, MALFORMED, NONE = (400, "bad_path"), (400, "malformed_path"), (404, "no_route")
TARGET = (400, "bad_target")

SPELLINGS: list[tuple[str, tuple[int, str], tuple[int, str]]] = [
    # path, strict, tolerant
    ("/admin", REFUSED, REFUSED),
    ("/%61dmin", REFUSED, REFUSED),
    ("/%61%64%6D%69%6e", REFUSED, REFUSED),
    ("/admin?", REFUSED, REFUSED),
    ("/admin?/../files/x", REFUSED, REFUSED),
    ("http://edge/admin", REFUSED, REFUSED),
    ("HTTP://EDGE/%61dmin", REFUSED, REFUSED),
    ("/ADMIN", NONE, NONE),
    ("/%41dmin", NONE, NONE),
    ("/admin/", NONE, NONE),
    ("/admin;x", NONE, NONE),
    ("/admin%3Bx", NONE, NONE),
    ("/admin%20", NONE, NONE),
    ("/admin.", NONE, NONE),
    ("/admin%23", NONE, NONE),
    ("/admin%3F", NONE, NONE),
    ("/%2561dmin", NONE, NONE),
    ("/admin%00", BAD, BAD),
    ("/admin%09", BAD, NONE),
    ("/admin%2F", BAD, NONE),
    ("/%2Fadmin", BAD, NONE),
    ("/.%2Fadmin", BAD, NONE),
    ("//admin", BAD, REFUSED),
    ("/./admin", BAD, REFUSED),
    ("/%2e/admin", BAD, REFUSED),
    ("/.;/admin", BAD, BAD),
    ("/.%3Bx/admin", BAD, BAD),
    ("/files/../admin", BAD, REFUSED),
    ("/files/%2e%2e/admin", BAD, REFUSED),
    ("/files/%2E./admin", BAD, REFUSED),
    ("/files/..;/admin", BAD, BAD),
    ("/files/..;x=y/admin", BAD, BAD),
    ("/files/%2e%2e;/admin", BAD, BAD),
    ("/files/..%3b/admin", BAD, BAD),
    ("/files/..%2fadmin", BAD, MALFORMED),
    ("/files/..%5cadmin", BAD, MALFORMED),
    ("/files/..\\admin", TARGET, TARGET),
    ("/files/x/../../admin", BAD, REFUSED),
    ("/files/../../admin", BAD, BAD),
    ("/..", BAD, BAD),
    ("/files/..", BAD, NONE),
    ("/files/secret", REFUSED, REFUSED),
    ("/files/secre%74", REFUSED, REFUSED),
    ("/files//secret", BAD, REFUSED),
    ("/files/./secret", BAD, REFUSED),
    ("/files/%2e/secret", BAD, REFUSED),
    ("/files/x/../secret", BAD, REFUSED),
    ("/files/secret/x", REFUSED, REFUSED),
    ("/files/secret%2fx", BAD, MALFORMED),
    ("/files/secret%5cx", BAD, MALFORMED),
    ("/files%2fsecret", BAD, NONE),
    ("/files/secret/x;/", (200, "secret/x;/"), (200, "secret/x;/")),
    ("/files/%c0%ae%c0%ae/admin", MALFORMED, MALFORMED),
    ("/files/%c0%afsecret", MALFORMED, MALFORMED),
    ("/files/%e0%80%afsecret", MALFORMED, MALFORMED),
    ("/files/%f0%80%80%afsecret", MALFORMED, MALFORMED),
    ("/files/%ed%a0%80", MALFORMED, MALFORMED),
    ("/files/%ff", MALFORMED, MALFORMED),
    ("/%c0%aeadmin", NONE, NONE),
    ("/files/%u002e", TARGET, TARGET),
    ("/files/%", TARGET, TARGET),
    ("/files/%2", TARGET, TARGET),
    ("/files/secret#x", TARGET, TARGET),
    ("/files/\xe9", TARGET, TARGET),
    ("files/secret", TARGET, TARGET),
    ("*", TARGET, TARGET),
    # what is no other spelling, but another path: the wildcard's, and its service sees just this
    ("/files/secret/", (200, "secret/"), (200, "secret/")),
    ("/files/Secret", (200, "Secret"), (200, "Secret")),
    ("/files/secret;x", (200, "secret;x"), (200, "secret;x")),
    ("/files/secret%23", (200, "secret#"), (200, "secret#")),
    ("/files/...", (200, "..."), (200, "...")),
    ("/files/%252e%252e/admin", (200, "%2e%2e/admin"), (200, "%2e%2e/admin")),
    # behind a version
    ("/@1.0.0/admin", REFUSED, REFUSED),
    ("/@1.0.0/files/secret", REFUSED, REFUSED),
    ("/@/admin", REFUSED, REFUSED),
    ("/@x/admin", REFUSED, REFUSED),
    ("/@..;/admin", REFUSED, REFUSED),
    ("/@1.0.0/@1.0.0/admin", NONE, NONE),
    ("/%401.0.0/admin", NONE, NONE),
    ("/@1.0.0%2Fadmin", BAD, NONE),
    ("/@1.0.0//admin", BAD, REFUSED),
    ("/@1.0.0/../admin", BAD, REFUSED),
    ("/@1.0.0/files/../admin", BAD, REFUSED),
    ("/@1.0.0/..;/admin", BAD, BAD),
    ("/@/files/x", (400, "version_invalid"), (400, "version_invalid")),
]


def told(answer: HttpAnswer) -> tuple[int, str]:
    return answer.status, answer.json()["reason"] if answer.status >= 400 else answer.json()["files"]


@pytest.mark.parametrize("mode", ["strict", "tolerant"])
async def test_no_spelling_leads_past_what_protects_a_path(mode: str) -> None:
    async with open_lab(edge_parsing=mode, versions_path_prefix="true") as lab:
        await lab.serve(service)
        found = {}
        for path, *_ in SPELLINGS:
            client = await lab.client()
            await client.send(request("GET", path))
            found[path] = told(await client.answer())
            await client.aclose()
        wanted = {path: strict if mode == "strict" else tolerant for path, strict, tolerant in SPELLINGS}
        assert found == wanted


@pytest.mark.parametrize("slash", ["redirect", "same"])
async def test_a_slash_at_the_end_leads_past_nothing(slash: str) -> None:
    async with open_lab(routes_trailing_slash=slash) as lab:
        await lab.serve(service)
        client = await lab.client()
        answer = await client.get("/admin/?x=1")
        wanted = (308, b"/admin?x=1") if slash == "redirect" else (401, None)
        assert (answer.status, answer.headers.get(b"location")) == wanted
        assert (await client.get("/files/secret/")).json() == {"files": "secret/"}


@pytest.mark.parametrize(
    ("host", "status", "told"),
    [
        ("api.test", 200, "api"),
        ("API.Test:8080", 200, "api"),
        ("api.test.", 200, "api"),
        ("x.api.test", 200, "site"),
        ("site.test", 200, "site"),
        ("test", 421, "misdirected"),
        (".test", 421, "misdirected"),
        ("api.test..", 421, "misdirected"),
        ("api%2etest", 421, "misdirected"),
        ("[::1]", 421, "misdirected"),
        ("api.test:", 400, "bad_host"),
        ("x@api.test", 400, "bad_host"),
        ("api.test/x", 400, "bad_host"),
        ("api.test x", 400, "bad_host"),
        ("", 400, "bad_host"),
        ("\xe9.test", 400, "bad_host"),
    ],
)
async def test_hosts_that_try_to_reach_another_ones_services(host: str, status: int, told: str) -> None:
    async with open_lab(routes_hosts="{api.test: [api], '*.test': [site]}") as lab:
        for name in ("api", "site"):
            one = Service(name, version="1.0.0", access="public")
            one.get("/")(lambda call, name=name: name)
            await lab.serve(one)
        client = await lab.client()
        lines = "X-Forwarded-Host: api.test", "Forwarded: host=api.test", "X-Original-URL: /x", "X-Host: api.test"
        head = "\r\n".join(["GET / HTTP/1.1", f"Host: {host}", *lines])
        await client.send(head.encode("latin-1") + b"\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, answer.reason if status >= 400 else answer.body.decode()) == (status, told)


@pytest.mark.parametrize(("methods", "expected"), [(["GET"], [401, 401, 200]), (["POST"], [200, 200, 401])])
async def test_a_rule_for_get_holds_for_a_head_of_the_services_own(methods: list[str], expected: list[int]) -> None:
    """An application behind the bridge offers each method by itself: HEAD would tell what GET may not."""
    rules = [{"path": "/things", "methods": methods, "access": "authenticated"}]
    one = Service("things", version="1.0.0", access="public")
    for method in ("GET", "HEAD", "POST"):
        one.endpoint(method, "/things")(lambda call: "")
    async with open_lab(rules=json.dumps(rules)) as lab:
        await lab.serve(one)
        found = []
        for method in ("GET", "HEAD", "POST"):
            client = await lab.client()
            await client.send(request(method, "/things"))
            found.append((await client.answer(method)).status)
        assert found == expected
