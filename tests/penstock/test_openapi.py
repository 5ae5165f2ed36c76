"""What a service says of itself in OpenAPI."""

import datetime
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest

from frames.frame import FrameType
from frames.limits import OPENAPI_ENDPOINT
from penstock import Call, Service


class Line(msgspec.Struct):
    sku: str
    quantity: Annotated[int, msgspec.Meta(ge=1)]


class Order(msgspec.Struct):
    lines: list[Line]
    parent: "Order | None" = None


class Page(msgspec.Struct, rename={"page_size": "page-size"}):
    since: datetime.date
    page_size: Annotated[int, msgspec.Meta(le=100)] = 10


class Store:
    """No data."""


def make() -> Service:
    service = Service("orders", version="1.4.0", access="authenticated")

    @service.post(
        "/orders/{order_id}/lines",
        claims={"scope": ["orders:write"]},
        body_bytes=1000,
        rate_limits=["5/s by tenant"],
        deadline_ms=50,
    )
    async def add_line(call: Call, order_id: int, body: Line, dry_run: bool = False) -> tuple[int, Order]:
        """Add a line.

        The order must be open.
        """
        return 201, Order([body])

    @service.get("/orders/{order}/lines", access="public")
    def lines(call: Call, order: str, query: Page) -> list[Line]:
        return []

    @service.get("/files/{path...}", streams=True)
    async def file(call: Call, path: str) -> bytes:
        return b""

    @service.delete("/orders/{order_id}")
    def remove(call: Call, order_id: str) -> None: ...

    @service.put("/streamed", streams=True)
    async def streamed(call: Call) -> None:
        async with call.respond() as response:
            await response.send("x")

    @service.put("/raw")
    def raw(call: Call) -> Store:
        return Store()

    @service.websocket("/live")
    async def live(socket: Any) -> None: ...

    return service


def test_an_operation() -> None:
    described = make().openapi()
    assert (described["openapi"], described["info"]) == ("3.1.0", {"title": "orders", "version": "1.4.0"})
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/PenstockProblem"}}}
    assert described["paths"]["/orders/{order_id}/lines"]["post"] == {
        "operationId": "post_orders_order_id_lines",
        "summary": "Add a line.",
        "description": "The order must be open.",
        "parameters": [
            {"name": "order_id", "in": "path", "required": True, "schema": {"type": "integer"}},
            {"name": "dry_run", "in": "query", "required": False, "schema": {"type": "boolean", "default": False}},
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Line"}}},
        },
        "responses": {
            "200": {
                "description": "the answer",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Order"}}},
            },
            "422": {
                "description": "something that was sent is not as it should be; `errors` names it",
                "content": problem,
            },
            "default": {"description": "a problem", "content": problem},
        },
        "security": [{"identity": []}],
        "x-claims": {"scope": ["orders:write"]},
        "x-deadline-ms": 50,
        "x-body-bytes": 1000,
        "x-rate-limits": ["5/s by tenant"],
    }
    assert described["components"]["schemas"]["Line"]["properties"]["quantity"] == {"type": "integer", "minimum": 1}
    assert described["components"]["securitySchemes"] == {"identity": {"type": "http", "scheme": "bearer"}}


def test_a_query_as_a_struct_and_a_path_by_the_names_that_came_first() -> None:
    operation = make().openapi()["paths"]["/orders/{order_id}/lines"]["get"]
    assert [(each["name"], each["in"], each["required"]) for each in operation["parameters"]] == [
        ("order_id", "path", True),
        ("since", "query", True),
        ("page-size", "query", False),
    ]
    assert operation["parameters"][2]["schema"] == {"type": "integer", "maximum": 100, "default": 10}
    assert operation["security"] == []
    assert "requestBody" not in operation


def test_what_is_not_typed() -> None:
    paths = make().openapi()["paths"]
    assert paths["/files/{path}"]["get"]["responses"]["200"]["content"] == {"application/octet-stream": {}}
    assert paths["/files/{path}"]["get"]["x-streams"] is True
    assert list(paths["/orders/{order_id}"]["delete"]["responses"]) == ["204", "default"]
    assert paths["/raw"]["put"]["responses"]["200"] == {"description": "the answer"}
    assert paths["/streamed"]["put"]["responses"]["200"] == {"description": "the answer"}
    assert paths["/raw"]["put"]["requestBody"] == {"required": False, "content": {"*/*": {}}}
    assert paths["/live"]["get"]["responses"]["101"] == {"description": "goes on as websocket"}


def test_every_reference_is_there() -> None:
    described = make().openapi()
    text = msgspec.json.encode(described).decode()
    named = {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named == {"Line", "Order", "PenstockProblem"}
    assert named <= set(described["components"]["schemas"])


def test_a_public_service_wants_no_identity() -> None:
    service = Service("s", version="1.0.0", access="public")
    service.get("/")(lambda call: None)
    assert "securitySchemes" not in service.openapi()["components"]


def test_overrides_are_told(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("endpoints: {GET /x: {access: authenticated, deadline: 5ms}}")
    service = Service("s", version="1.0.0", access="public", overrides=path)
    service.get("/x")(lambda call: None)
    operation = service.openapi()["paths"]["/x"]["get"]
    assert (operation["security"], operation["x-deadline-ms"]) == ([{"identity": []}], 5)


async def test_a_gateway_asks_for_it(gateway: Any, nursery: Any) -> None:
    service = make()
    nursery.start_soon(service.serve, gateway.settings())
    connection = await gateway.accept()
    hello = await connection.greet(features=("openapi",))
    assert "openapi" in hello.features
    assert OPENAPI_ENDPOINT not in {endpoint.id for endpoint in hello.listed}
    for exchange in (2, 4):
        await connection.call(exchange, OPENAPI_ENDPOINT, "/openapi.json")
        answer = await connection.expect(FrameType.RESPONSE)
        assert (answer.status, answer.fields[b"content-type"]) == (200, b"application/json")
        assert answer.json() == msgspec.json.decode(msgspec.json.encode(service.openapi()))


@pytest.mark.parametrize("module", ["openapi", "typed", "overrides", "texts"])
def test_what_is_not_used_is_not_imported(module: str) -> None:
    program = (
        "import sys\nfrom penstock import Service\nfrom penstock.settings import load_service_settings\n"
        "s = Service('s', version='1.0.0')\n@s.get('/{x}')\ndef f(call, x: str): ...\n"
        f"s.hello(load_service_settings({{}}))\nsys.exit('penstock.{module}' in sys.modules)"
    )
    source = Path(__file__).parents[2] / "src"
    assert subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": str(source)}, check=False).returncode == 0
