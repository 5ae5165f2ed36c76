"""Which endpoints an application has at the gateway."""

from typing import Any

import pytest

from penstock import RegistrationError, asgi
from penstock.asgi.routes import METHODS, _template, list_routes, routes_below


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("", "/"),
        ("/", "/"),
        ("/items", "/items"),
        ("/items/{number}", "/items/{number}"),
        ("/items/{number:int}/parts/{part:str}", "/items/{number}/parts/{part}"),
        ("/files/{path:path}", "/files/{path...}"),
        ("/files/{path:path}/about", "/files/{path...}"),
        ("/files/{name}.json", "/files/{part_0}"),
        ("/files/{a}-{b:path}", "/files/{part_0...}"),
        ("/items/", "/items/{path...}"),
        ("/über/a b", "/%C3%BCber/a%20b"),
        ("/{a}/{a}", "/{a}/{a_1}"),
    ],
)
def test_the_least_template_that_covers_a_path(path: str, template: str) -> None:
    assert _template(path) == template


def test_everything_below_a_prefix() -> None:
    assert routes_below("") == [(method, "/{path...}") for method in METHODS]
    assert {path for _, path in routes_below("/shop")} == {"/shop", "/shop/{path...}"}


async def nothing(*_: Any) -> None:
    """An application."""


def test_a_service_of_everything() -> None:
    service = asgi.service(nothing, name="shop", version="1.0.0", prefix="/shop")
    assert {(endpoint.method, endpoint.path) for endpoint in service.endpoints} == set(routes_below("/shop"))
    assert all(endpoint.streams for endpoint in service.endpoints)
    assert {endpoint.method for endpoint in service.endpoints if endpoint.upgrades} == {"GET"}
    assert {endpoint.method for endpoint in service.endpoints if not endpoint.idempotent} == {"POST", "PATCH"}


def test_who_may_ask() -> None:
    public = asgi.service(nothing, name="shop", version="1.0.0", access="public")
    assert {endpoint.offer.access for endpoint in public.endpoints} == {"public"}
    clerks = asgi.service(nothing, name="shop", version="1.0.0", claims={"role": ["clerk"]})
    assert {endpoint.offer.claims["role"] for endpoint in clerks.endpoints} == {("clerk",)}


@pytest.mark.parametrize("prefix", ["shop", "/shop/", "/"])
def test_a_prefix_that_is_none(prefix: str) -> None:
    with pytest.raises(asgi.StartupError, match="write it with a slash in front and none behind"):
        asgi.service(nothing, name="shop", version="1.0.0", prefix=prefix)


def test_a_version_that_is_none() -> None:
    with pytest.raises(RegistrationError, match="version"):
        asgi.service(nothing, name="shop", version="1")


def test_an_application_that_names_no_routes() -> None:
    with pytest.raises(asgi.StartupError, match="leave out --routes"):
        list_routes(nothing)


def test_a_route_without_a_path() -> None:
    class App:
        routes = (object(),)

        async def __call__(self, *_: Any) -> None: ...

    with pytest.raises(asgi.StartupError, match="has no path"):
        list_routes(App())


def test_routes_of_fastapi() -> None:
    pytest.importorskip("fastapi")
    from fastapi import APIRouter, FastAPI, WebSocket

    inner, app = APIRouter(prefix="/orders"), FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @inner.get("/{number}")
    @inner.post("/{number}")
    def order(number: int) -> None: ...

    @inner.get("/{number}/hidden", include_in_schema=False)
    def hidden(number: int) -> None: ...

    @app.websocket("/live")
    async def live(socket: WebSocket) -> None: ...

    app.include_router(inner, prefix="/v1")
    app.mount("/static", nothing)
    found: dict[str, set[str]] = {}
    for method, path in list_routes(app):
        found.setdefault(path, set()).add(method)
    assert found == {
        "/v1/orders/{number}": {"GET", "POST", "OPTIONS"},
        "/v1/orders/{number}/hidden": {"GET", "OPTIONS"},
        "/live": {"GET", "OPTIONS"},
        "/static": set(METHODS),
        "/static/{path...}": set(METHODS),
    }


def test_routes_of_starlette_below_a_prefix() -> None:
    pytest.importorskip("starlette")
    from starlette.applications import Starlette
    from starlette.routing import Mount, Route

    within = [Route("/{number:int}", nothing, methods=["PUT"])]
    app = Starlette(routes=[Route("/", nothing), Mount("/items", routes=within)])
    found = {(method, path) for method, path in list_routes(app, "/shop") if method != "OPTIONS"}
    assert found == {("GET", "/shop/{path...}"), ("HEAD", "/shop/{path...}"), ("PUT", "/shop/items/{number}")}


def test_routes_of_litestar() -> None:
    pytest.importorskip("litestar")
    from litestar import Litestar, get

    @get("/items/{number:int}")
    async def item() -> None: ...

    app = Litestar([item], openapi_config=None)
    assert set(list_routes(app)) == {("GET", "/items/{number}"), ("OPTIONS", "/items/{number}")}
