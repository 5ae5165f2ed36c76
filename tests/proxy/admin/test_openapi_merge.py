"""Many descriptions become one, whatever services write."""

import json
from typing import Any

import pytest

from proxy.admin.openapi_merge import Described, Gathered, Missing, key_of, merge

SCHEMES = {"bearer": {"type": "http", "scheme": "bearer"}}


def document(
    *described: Described, routes: dict[tuple[str, str, str], bool], missing: tuple[Missing, ...] = ()
) -> dict[str, Any]:
    """routes: (service, method, template) and whether anybody may ask."""
    public = {key_of(*route): is_public for route, is_public in routes.items()}
    merged: dict[str, Any] = json.loads(merge(Gathered(described, missing, public, SCHEMES, "All", "1.0")))
    return merged


def say(service: str, version: str, paths: Any, **more: Any) -> Described:
    return Described(service, version, json.dumps({"openapi": "3.1.0", "paths": paths, **more}).encode())


GET = {"get": {"operationId": "get_it", "responses": {}}}


def test_nothing() -> None:
    assert document(routes={}) == {
        "openapi": "3.1.0",
        "info": {"title": "All", "version": "1.0"},
        "tags": [],
        "paths": {},
        "components": {"securitySchemes": SCHEMES},
    }


def test_two_services() -> None:
    reference = {"$ref": "#/components/schemas/Item"}
    operation = {
        "operationId": "get_it",
        "responses": {"200": {"content": {"application/json": {"schema": reference}}}},
        "security": [],
        "tags": ["mine"],
    }
    schemas = {"Item": {"properties": {"next": reference, "$ref": {"type": "string"}}}}
    one = say(
        "billing", "1.0.0", {"/a/{id}": {"get": operation}}, components={"schemas": schemas}, info={"description": "it"}
    )
    other = say("stock", "2.0.0", {"/b": GET}, components={"schemas": {"Item": {"type": "string"}}})
    merged = document(one, other, routes={("billing", "GET", "/a/{number}"): True, ("stock", "GET", "/b"): False})
    assert list(merged["paths"]) == ["/a/{id}", "/b"]
    found = merged["paths"]["/a/{id}"]["get"]
    assert found == {
        "operationId": "billing_get_it",
        "responses": {"200": {"content": {"application/json": {"schema": {"$ref": _ref("billing.Item")}}}}},
        "security": [],
        "tags": ["billing"],
        "x-penstock-versions": ["1.0.0"],
    }
    assert merged["paths"]["/b"]["get"]["security"] == [{"bearer": []}]
    assert merged["components"]["schemas"] == {
        "billing.Item": {"properties": {"next": {"$ref": _ref("billing.Item")}, "$ref": {"type": "string"}}},
        "stock.Item": {"type": "string"},
    }
    assert merged["tags"] == [
        {"name": "billing", "x-penstock-versions": ["1.0.0"], "description": "it"},
        {"name": "stock", "x-penstock-versions": ["2.0.0"]},
    ]
    assert "x-penstock-missing" not in merged


def _ref(name: str) -> str:
    return f"#/components/schemas/{name}"


def test_only_what_is_registered() -> None:
    paths = {"/a": {**GET, "put": {}}, "/b": GET, "/files/{name}": GET}
    routes = {
        ("billing", "GET", "/a"): True,
        ("stock", "GET", "/b"): True,
        ("billing", "GET", "/files/{name...}"): True,
    }
    merged = document(say("billing", "1.0.0", paths), routes=routes)
    assert {path: list(item) for path, item in merged["paths"].items()} == {"/a": ["get"], "/files/{name}": ["get"]}


def test_the_highest_version_is_shown_and_the_others_are_named() -> None:
    components = {"schemas": {"Item": {"type": "string"}}}
    new = say("billing", "2.0.0", {"/a": {"get": {"summary": "new"}}}, components=components)
    old = say("billing", "1.0.0+7", {"/a/": GET, "/a": {"get": {"summary": "old"}}, "/b": GET}, components=components)
    routes = {("billing", "GET", path): True for path in ("/a", "/b")}
    merged = document(new, old, routes=routes)
    assert merged["paths"]["/a"]["get"]["summary"] == "new"
    assert merged["paths"]["/a"]["get"]["operationId"] == "billing_get_/a"
    assert merged["paths"]["/a"]["get"]["x-penstock-versions"] == ["2.0.0", "1.0.0+7"]
    assert merged["paths"]["/b"]["get"]["x-penstock-versions"] == ["1.0.0+7"]
    assert sorted(merged["components"]["schemas"]) == ["billing-1.0.0_7.Item", "billing.Item"]
    assert merged["tags"][0]["x-penstock-versions"] == ["2.0.0", "1.0.0+7"]


def test_one_path_of_two_services() -> None:
    routes = {("billing", "GET", "/{a}"): True, ("stock", "GET", "/{b}"): True}
    merged = document(say("billing", "1.0.0", {"/{a}": GET}), say("stock", "1.0.0", {"/{b}": GET}), routes=routes)
    assert merged["paths"]["/{a}"]["get"]["tags"] == ["billing"]
    assert merged["x-penstock-missing"] == [
        {
            "service": "stock",
            "version": "1.0.0",
            "reason": "GET /{b} is billing's, too, on another host: ask for one service alone",
        }
    ]


def test_references_and_mappings() -> None:
    discriminator = {"mapping": {"a": "#/components/schemas/A", "b": "other.json"}}
    responses = [
        {"$ref": "#/components/responses/R"},
        {"$ref": "#/paths/x"},
        {"$ref": "#/components/securitySchemes/s"},
    ]
    paths = {"/a": {"get": {"x": discriminator, "y": responses}, "parameters": [{"$ref": "#/components/parameters/P"}]}}
    merged = document(say("s", "1.0.0", paths), routes={("s", "GET", "/a"): True})
    item = merged["paths"]["/a"]
    assert item["get"]["x"] == {"mapping": {"a": "#/components/schemas/s.A", "b": "other.json"}}
    assert [each["$ref"] for each in item["get"]["y"]] == [
        "#/components/responses/s.R",
        "#/paths/x",
        "#/components/securitySchemes/s",
    ]
    assert item["parameters"] == [{"$ref": "#/components/parameters/s.P"}]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "its description is no JSON"),
        (b"{", "its description is no JSON"),
        (b'"\xff"', "its description is no JSON"),
        (b"[]", "its description has no paths"),
        (b"{}", "its description has no paths"),
        (b'{"paths": []}', "its description has no paths"),
        (b'{"paths": {"/a": {"get": ' + b"[" * 300 + b"]" * 300 + b"}}}", "its description is too deep"),
        (b"[" * 100_000, "its description is too deep"),
    ],
)
def test_what_is_no_description(body: bytes, reason: str) -> None:
    good = say("stock", "1.0.0", {"/b": GET})
    routes = {("bad", "GET", "/a"): True, ("stock", "GET", "/b"): True}
    merged = document(Described("bad", "1.0.0", body), good, routes=routes)
    assert merged["x-penstock-missing"] == [{"service": "bad", "version": "1.0.0", "reason": reason}]
    assert list(merged["paths"]) == ["/b"]


@pytest.mark.parametrize(
    "more",
    [
        {"components": []},
        {"components": {"schemas": []}},
        {"components": {"unknown": {"a": {}}}},
        {"info": "text"},
        {"info": {"description": 7}},
    ],
)
def test_odd_parts_are_left_out(more: dict[str, Any]) -> None:
    paths = {"/a": {"get": {"operationId": 7}, "put": "text"}, "/b": "text"}
    routes = {("s", method, path): True for method in ("GET", "PUT") for path in ("/a", "/b")}
    merged = document(say("s", "1.0.0", paths, **more), routes=routes)
    assert list(merged["paths"]) == ["/a"]
    assert merged["paths"]["/a"]["get"]["operationId"] == "s_get_/a"
    assert merged["tags"] == [{"name": "s", "x-penstock-versions": ["1.0.0"]}]


def test_who_is_missing_is_named_in_order() -> None:
    missing = (Missing("b", "1.0.0", "r"), Missing("a", "2.0.0", "r"), Missing("a", "2.0.0", "r"))
    merged = document(routes={}, missing=missing)
    assert [each["service"] for each in merged["x-penstock-missing"]] == ["a", "b"]
