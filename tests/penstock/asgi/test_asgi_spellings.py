"""Paths that are one endpoint's for the gateway and another's for the application."""

import json

import pytest
from lab import open_lab
from lab_client import HttpAnswer

from penstock import asgi
from penstock.asgi.messages import Receive, Scope, Send
from penstock.asgi.spellings import Spellings

TEMPLATES = ("/", "/users/{id}", "/users/@me", "/users/{id}/secret", "/files/{path...}", "/files/a%20b", "/caf%C3%A9")


@pytest.mark.parametrize(
    ("path", "is_of_another"),
    [
        ("/users/@me", False),
        ("/users/%40me", True),
        ("/users/%40you", False),
        ("/users/a%40b.example", False),
        ("/users/a%20b", False),
        ("/users/x%2Fsecret", True),
        ("/users/x%2Fother", False),
        ("/users%2Fx", True),
        ("/users/%2540me", False),
        ("/files/a%20b", False),
        ("/files/%40x", False),
        ("/files/x%2Fy", False),
        ("/files%2Fx", True),
        ("/caf%C3%A9", False),
        ("/%3F", False),
    ],
)
def test_which_paths_lead_elsewhere_when_decoded(path: str, is_of_another: bool) -> None:
    assert Spellings(TEMPLATES).is_of_another(path.encode()) is is_of_another


class Route:
    """As frameworks name their routes."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.methods = ("GET",)


class App:
    """An application that tells the path that it was asked for."""

    routes = (Route("/users/@me"), Route("/users/{id}/secret"), Route("/users/{id}"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = scope["path"].encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def told(answer: HttpAnswer) -> tuple[int, str]:
    """Status, and the reason or the body."""
    return answer.status, answer.json()["reason"] if answer.status >= 400 else answer.body.decode()


RULES = [{"path": path, "access": "authenticated"} for path in ("/users/@me", "/users/{id}/secret")]


@pytest.mark.parametrize(
    ("parsing", "path", "status", "text"),
    [
        ("strict", "/users/@me", 401, "unauthenticated"),
        ("strict", "/users/%40me", 400, "malformed_path"),
        ("strict", "/users/%40you", 200, "/users/@you"),
        ("strict", "/users/x%2Fsecret", 400, "bad_path"),
        ("tolerant", "/users/x/secret", 401, "unauthenticated"),
        ("tolerant", "/users/x%2Fsecret", 400, "malformed_path"),
        ("tolerant", "/users/x%2Fother", 200, "/users/x/other"),
    ],
)
async def test_no_spelling_leads_past_a_rule(parsing: str, path: str, status: int, text: str) -> None:
    service = asgi.service(App(), name="shop", version="1.0.0", access="public", lifespan="off", routes=True)
    async with open_lab(edge_parsing=parsing, rules=json.dumps(RULES)) as lab:
        await lab.serve(service)
        assert told(await (await lab.client()).get(path)) == (status, text)
