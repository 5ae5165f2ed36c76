import json
from dataclasses import dataclass, replace

import pytest

from proxy.admin.figures import Figures
from proxy.admin.pages import Pages
from proxy.admin.state import AdminState


@dataclass
class Instance:
    instance: str
    health: str
    in_flight: int


STATE = AdminState(
    ready=list,
    figures=lambda: Figures("1.2.3", True, (), {}, {}, ()),
    services=lambda: [Instance("billing-1", "healthy", 2)],
    routes=lambda: [{"method": "GET", "path": "/invoices/{id}", "offers": ["billing-1"]}],
)


async def json_of(path: str, state: AdminState = STATE, status: int = 200) -> object:
    page = await Pages(state).page("GET", path)
    assert page.status == status
    assert page.content_type == "application/json"
    return json.loads(page.body)


async def test_health() -> None:
    assert await json_of("/health") == {"status": "alive"}


async def test_ready() -> None:
    assert await json_of("/ready") == {"status": "ready", "reasons": []}


async def test_not_ready_says_why() -> None:
    state = replace(STATE, ready=lambda: ("no service is registered", "draining"))
    assert await json_of("/ready", state, 503) == {
        "status": "not ready",
        "reasons": ["no service is registered", "draining"],
    }


async def test_alive_though_not_ready() -> None:
    assert await json_of("/health", replace(STATE, ready=lambda: ["draining"])) == {"status": "alive"}


async def test_services_and_routes() -> None:
    assert await json_of("/services") == {"services": [{"instance": "billing-1", "health": "healthy", "in_flight": 2}]}
    assert await json_of("/routes") == {
        "routes": [{"method": "GET", "path": "/invoices/{id}", "offers": ["billing-1"]}]
    }


async def test_metrics() -> None:
    page = await Pages(STATE).page("GET", "/metrics")
    assert page.status == 200
    assert page.content_type.startswith("text/plain; version=0.0.4")
    assert b'penstock_build_info{version="1.2.3"} 1.0\n' in page.body
    assert (await Pages(STATE).page("GET", "/metrics", "application/openmetrics-text")).body.endswith(b"# EOF\n")


@pytest.mark.parametrize("path", ["/", "", "/Health", "/health/", "*", "http://a/health", "/metrics/x"])
async def test_no_such_page_says_which_there_are(path: str) -> None:
    assert await json_of(path, status=404) == {
        "status": 404,
        "title": "There is no such page.",
        "pages": ["/health", "/ready", "/services", "/routes", "/metrics"],
    }


@pytest.mark.parametrize("path", ["/health", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "DELETE", "OPTIONS", "CONNECT", "get"])
async def test_pages_are_only_read(method: str, path: str) -> None:
    page = await Pages(STATE).page(method, path)
    assert page.status == 405
    assert page.headers == (("allow", "GET, HEAD"),)


@pytest.mark.parametrize("path", ["/health", "/metrics"])
async def test_head_is_read_as_get(path: str) -> None:
    assert (await Pages(STATE).page("HEAD", path)).status == 200
