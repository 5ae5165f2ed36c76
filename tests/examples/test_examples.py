"""Every example, run without a gateway through `penstock.testing`; and as a program, against one."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from penstock import Service, testing
from proxy.cli import demo_service

EXAMPLES = Path(__file__).parents[2] / "examples"
PAGE = EXAMPLES.parent / "docs" / "services.md"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # msgspec resolves a struct's annotations through it
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def orders() -> Service:
    service: Service = _load("orders").service
    return service


def test_the_readme_names_every_example() -> None:
    named = set(re.findall(r"\[(\w+\.py)\]", (EXAMPLES / "README.md").read_text()))
    assert named == {path.name for path in EXAMPLES.glob("*.py")}


def test_each_example_is_a_program_that_imports_only_penstock_and_libraries() -> None:
    for path in EXAMPLES.glob("*.py"):
        text = path.read_text()
        assert 'if __name__ == "__main__":\n    service.run()' in text
        assert not re.search(r"^(from|import) (proxy|frames)", text, re.MULTILINE)


def test_billing_is_written_as_the_documentation_shows_it() -> None:
    code = PAGE.read_text().partition("```python\n")[2].partition("```")[0]
    assert "from penstock import Service" in code
    assert (EXAMPLES / "billing.py").read_text().endswith(code)


def _billing(origin: str) -> Service:
    """The example, or what `penstock demo` runs of it: that one is in the wheel, where examples are not."""
    service: Service = demo_service.service if origin == "demo" else _load("billing").service
    return service


both = pytest.mark.parametrize("origin", ["example", "demo"])


def test_the_demo_offers_what_the_example_offers() -> None:
    offered = [
        (each.name, each.version, [(e.id, e.method, e.path, e.is_async) for e in each.endpoints])
        for each in (_billing("example"), _billing("demo"))
    ]
    assert offered[0] == offered[1]


@both
async def test_billing_invoice(origin: str) -> None:
    response = await testing.call(_billing(origin), "GET", "/invoices/42", deadline_ms=1000)
    assert response.status == 200
    assert response.json()["id"] == "42"
    assert 0 < response.json()["remaining_ms"] <= 1000


@both
def test_billing_create(origin: str) -> None:
    response = testing.call_nowait(_billing(origin), "POST", "/invoices", json={"total": 3})
    assert (response.status, response.json()) == (201, {"echo": {"total": 3}})


def test_billing_create_with_a_bad_body() -> None:
    response = testing.call_nowait(_load("billing").service, "POST", "/invoices", body=b"{")
    assert (response.status, response.json()["reason"]) == (400, "malformed_json")


async def test_orders_from_one_end_to_the_other(orders: Service) -> None:
    made = testing.call_nowait(orders, "POST", "/orders", json={"item": "tea", "count": 2}, tenant="acme")
    assert (made.status, made.headers["location"]) == (201, "/orders/1")
    label = await testing.call(orders, "GET", "/orders/1/label", tenant="acme")
    assert (label.headers["content-type"], label.text) == ("image/svg+xml", "<svg><text>2 x tea</text></svg>")
    assert testing.call_nowait(orders, "GET", "/orders?item=cups", tenant="acme").json() == []
    assert testing.call_nowait(orders, "GET", "/orders?item=cups&item=tea", tenant="acme").json() == [
        {"item": "tea", "count": 2}
    ]
    assert testing.call_nowait(orders, "GET", "/orders/1", tenant="other").status == 404
    assert testing.call_nowait(orders, "DELETE", "/orders/1", tenant="acme").status == 204
    assert testing.call_nowait(orders, "GET", "/orders/1", tenant="acme").json()["reason"] == "order_unknown"


@pytest.mark.parametrize(
    ("json", "tenant", "reason"),
    [
        ({"item": "tea", "count": "many"}, "acme", "invalid_body"),
        ({"count": 1}, "acme", "invalid_body"),
        ({"item": "tea", "count": 0}, "acme", "count_too_small"),
        ({"item": "tea"}, None, "tenant_missing"),
    ],
)
def test_orders_says_what_is_wrong(orders: Service, json: object, tenant: str | None, reason: str) -> None:
    response = testing.call_nowait(orders, "POST", "/orders", json=json, tenant=tenant)
    assert (response.status, response.json()["reason"]) == (400, reason)
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES.glob("*.py")])
def test_an_example_as_a_program_says_in_one_line_what_is_wrong_with_its_settings(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        env={"PYTHONPATH": str(EXAMPLES.parent / "src"), "PENSTOCK_GATEWAYS": "nonsense"},
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.count(b"\n") == 1
