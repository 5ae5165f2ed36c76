"""The description of a service in OpenAPI 3.1, made of what its endpoints and their handlers say.

Made when somebody asks for it: `service.openapi()`, or a gateway that gathers the descriptions of all its services
(docs/protocol.md, section 5, feature `openapi`).
"""

import inspect
import re
import types
import typing
from typing import TYPE_CHECKING, Any

import msgspec

from frames.endpoint import PUBLIC, EndpointOffer
from frames.template import template_shape
from penstock.handler import Endpoint
from penstock.typed import BODILESS_METHODS, Parameter, Place, returns_of

if TYPE_CHECKING:
    from penstock.service import Service

__all__ = ["make_openapi"]

IDENTITY = "identity"
"""The name of the one security scheme: how a client proves who it is, is the gateway's business."""

PROBLEM = "PenstockProblem"
"""The name of the schema of problems, apart from those of the service."""

_REF = "#/components/schemas/{name}"
_EMPTY = inspect.Parameter.empty

_PROBLEM = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "reason": {"type": "string"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
        "correlation_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"where": {"type": "string"}, "problem": {"type": "string"}},
                "required": ["where", "problem"],
            },
        },
    },
    "required": ["title", "status", "reason"],
}


def make_openapi(service: "Service", offers: tuple[EndpointOffer, ...]) -> dict[str, Any]:
    """Return the description. offers: what the endpoints offer, in their order."""
    schemas = _Schemas(service.endpoints)
    paths: dict[str, dict[str, Any]] = {}
    spelt: dict[str, Endpoint] = {}
    for endpoint, offer in zip(service.endpoints, offers, strict=True):
        # One path stands once, by the names that its parts have at the first endpoint.
        first = spelt.setdefault(template_shape(endpoint.path), endpoint)
        operation = _operation(endpoint, offer, schemas, first.names)
        paths.setdefault(_path(first.path), {})[endpoint.method.lower()] = operation
    components: dict[str, Any] = {"schemas": {**schemas.components, PROBLEM: _PROBLEM}}
    if any(operation.get("security") for each in paths.values() for operation in each.values()):
        components["securitySchemes"] = {IDENTITY: {"type": "http", "scheme": "bearer"}}
    info = {"title": service.name, "version": service.version}
    return {"openapi": "3.1.0", "info": info, "paths": paths, "components": components}


class _Schemas:
    """The schemas of all types that the handlers name; what has a name stands once, among the components."""

    def __init__(self, endpoints: tuple[Endpoint, ...]) -> None:
        """Collect the types."""
        named = [each.type for endpoint in endpoints for each in _parameters(endpoint)]
        named += [_result(endpoint) for endpoint in endpoints]
        known = {_key(each): each for each in named if _has_schema(each)}
        schemas, self.components = msgspec.json.schema_components(known.values(), ref_template=_REF)
        self._schemas = dict(zip(known, schemas, strict=True))

    def of(self, type_: Any) -> dict[str, Any] | None:
        """Return the schema of a type; None for one that cannot be described."""
        return self._schemas.get(_key(type_))

    def resolved(self, type_: Any) -> dict[str, Any]:
        """Return the schema of a struct itself, and not the reference to it."""
        schema = self.of(type_) or {}
        return self.components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def _parameters(endpoint: Endpoint) -> tuple[Parameter, ...]:
    return endpoint.plan.parameters if endpoint.plan else ()


def _key(type_: Any) -> Any:
    """What a type is found by; not all that is annotated has a hash."""
    try:
        hash(type_)
    except TypeError:
        return repr(type_)
    return type_


def _has_schema(type_: Any) -> bool:
    if type_ in (_EMPTY, Any, None):
        return False
    try:
        msgspec.json.schema(type_)
    except (TypeError, RuntimeError):
        return False
    return True


def _path(template: str) -> str:
    """A wildcard is a parameter here: OpenAPI has no other."""
    return re.sub(r"\{([^}]*?)\.\.\.\}", r"{\1}", template)


def _operation(endpoint: Endpoint, offer: EndpointOffer, schemas: _Schemas, names: tuple[str, ...]) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": _operation_id(endpoint)}
    summary, description = _docstring(endpoint.handler)
    if summary:
        operation["summary"] = summary
    if description:
        operation["description"] = description
    if parameters := _path_parameters(endpoint, schemas, names) + _query_parameters(endpoint, schemas):
        operation["parameters"] = parameters
    if body := _request_body(endpoint, schemas):
        operation["requestBody"] = body
    operation["responses"] = _responses(endpoint, offer, schemas)
    if offer.claims or offer.access not in (None, PUBLIC):
        operation["security"] = [{IDENTITY: []}]
    elif offer.access == PUBLIC:
        operation["security"] = []
    return operation | _extensions(offer)


def _extensions(offer: EndpointOffer) -> dict[str, Any]:
    """What OpenAPI has no words for: members that begin with `x-`."""
    told = {
        "x-claims": {name: list(values) for name, values in offer.claims.items()},
        "x-deadline-ms": offer.deadline_ms,
        "x-body-bytes": offer.body_bytes,
        "x-rate-limits": list(offer.rate_limits),
        "x-upgrades": list(offer.upgrades),
        "x-streams": offer.streams,
    }
    return {name: value for name, value in told.items() if value not in (None, False, [], {})}


def _operation_id(endpoint: Endpoint) -> str:
    words = re.sub(r"[^A-Za-z0-9]+", "_", endpoint.path).strip("_")
    return f"{endpoint.method.lower()}_{words}".rstrip("_")


def _docstring(handler: Any) -> tuple[str, str]:
    """The first line of the handler's docstring, and the rest."""
    is_function = inspect.isroutine(handler)
    summary, _, rest = ((inspect.getdoc(handler) if is_function else None) or "").partition("\n")
    return summary.strip(), rest.strip()


def _path_parameters(endpoint: Endpoint, schemas: _Schemas, names: tuple[str, ...]) -> list[dict[str, Any]]:
    typed = {each.name: each.type for each in _parameters(endpoint) if each.place is Place.PATH}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": schemas.of(typed.get(own, str)) or {"type": "string"},
        }
        for name, own in zip(names, endpoint.names, strict=True)
    ]


def _query_parameters(endpoint: Endpoint, schemas: _Schemas) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for each in _parameters(endpoint):
        if each.place is Place.QUERY_FIELD:
            schema = _with_default(schemas.of(each.type) or {}, each.default)
            found.append({"name": each.name, "in": "query", "required": False, "schema": schema})
        elif each.place is Place.QUERY:
            whole = schemas.resolved(each.type)
            required = whole.get("required", [])
            found += [
                {"name": name, "in": "query", "required": name in required, "schema": schema}
                for name, schema in whole.get("properties", {}).items()
            ]
    return found


def _with_default(schema: dict[str, Any], default: Any) -> dict[str, Any]:
    if default is None or default == ():
        return schema
    try:
        return {**schema, "default": msgspec.to_builtins(default)}
    except TypeError:
        return schema


def _request_body(endpoint: Endpoint, schemas: _Schemas) -> dict[str, Any] | None:
    body = next((each for each in _parameters(endpoint) if each.place is Place.BODY), None)
    if body is not None:
        schema = schemas.of(body.type) or {}
        return {"required": body.default is _EMPTY, "content": {"application/json": {"schema": schema}}}
    if endpoint.method in BODILESS_METHODS or endpoint.method in ("DELETE", "OPTIONS"):
        return None
    return {"required": False, "content": {"*/*": {}}}


def _responses(endpoint: Endpoint, offer: EndpointOffer, schemas: _Schemas) -> dict[str, Any]:
    result = _result(endpoint)
    responses: dict[str, Any] = {}
    if offer.upgrades:
        responses["101"] = {"description": f"goes on as {' or '.join(offer.upgrades)}"}
    elif result is None and not offer.streams:  # a streaming handler may have sent its answer itself
        responses["204"] = {"description": "done"}
    else:
        responses["200"] = {"description": "the answer"} | _content(result, schemas)
    if endpoint.plan is not None:
        responses["422"] = _problem("something that was sent is not as it should be; `errors` names it")
    responses["default"] = _problem("a problem")
    return responses


def _content(result: Any, schemas: _Schemas) -> dict[str, Any]:
    if result is None:
        return {}
    if result is str:
        return {"content": {"text/plain": {"schema": {"type": "string"}}}}
    if result is bytes:
        return {"content": {"application/octet-stream": {}}}
    schema = schemas.of(result)
    return {} if schema is None else {"content": {"application/json": {"schema": schema}}}


def _problem(description: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": _REF.format(name=PROBLEM)}}}
    return {"description": description, "content": content}


def _result(endpoint: Endpoint) -> Any:
    """What the handler says that it returns: of `tuple[int, Order]`, the second."""
    result = endpoint.plan.returns if endpoint.plan else returns_of(endpoint.handler)
    parts = typing.get_args(result)
    if typing.get_origin(result) is tuple and len(parts) > 1 and parts[0] is int:
        result = parts[1]
    return None if result is types.NoneType else result
