"""Which endpoint of a service a target is for."""

import pytest

from frames.frame import Method
from frames.greeting import EndpointOffer
from proxy.loading.endpoints import find_endpoint

OFFERS = ("GET /", "GET /a/{id}", "GET /a/new", "GET /a/{rest...}", "POST /a", "GET /{x}/b/{y}", "HEAD /a/new")
ENDPOINTS = [EndpointOffer(id=at, method=offer.split()[0], path=offer.split()[1]) for at, offer in enumerate(OFFERS)]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("GET /", "GET /"),
        ("GET /a/7", "GET /a/{id}"),
        ("GET /a/7?x=/new", "GET /a/{id}"),
        ("GET /a/new", "GET /a/new"),
        ("GET /a/", "GET /a/{rest...}"),
        ("GET /a/b/c", "GET /a/{rest...}"),
        ("GET /z/b/c", "GET /{x}/b/{y}"),
        ("POST /a", "POST /a"),
        ("HEAD /a/new", "HEAD /a/new"),
        ("HEAD /a/7", "GET /a/{id}"),
        ("POST /a/7", None),
        ("GET /a", None),
        ("GET //b/c", None),
        ("PUT /", None),
    ],
)
def test_found(asked: str, found: str | None) -> None:
    method, target = asked.split()
    endpoint = find_endpoint(ENDPOINTS, Method[method], target)
    assert (None if endpoint is None else f"{endpoint.method} {endpoint.path}") == found
