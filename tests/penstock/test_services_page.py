"""The code of docs/services.md that shows more than one line: run as it stands."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from penstock import Service, testing
from penstock.settings import load_service_settings

PAGE = (Path(__file__).parents[2] / "docs" / "services.md").read_text()


def blocks(heading: str, language: str = "python") -> list[str]:
    """The blocks of a section, without those of its subsections."""
    section = re.split(r"^##+ ", PAGE.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def run(code: str, **names: Any) -> ModuleType:
    """Run code as a module; a struct's annotations are sought in it."""
    module = ModuleType("services_page")
    module.__dict__.update(names)
    sys.modules[module.__name__] = module
    exec(compile(code, "docs/services.md", "exec"), module.__dict__)  # noqa: S102 - it is our own page
    return module


def test_who_may_ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    service: Service = run(blocks("Who may ask")[0]).service
    prices, remove = (each.offer for each in service.endpoints)
    assert (prices.access, remove.access) == ("public", "authenticated")
    assert remove.claims == {"scope": ("invoices:write", "admin"), "staff": ()}
    testing.call_nowait(service, "DELETE", "/invoices/7", principal="zoe", tenant="acme")
    assert capsys.readouterr().out == "zoe of acme removes 7\n"
    path = tmp_path / "billing.yaml"
    path.write_text(blocks("Without changing the code", "yaml")[0])
    settings = load_service_settings({"PENSTOCK_SERVICE_OVERRIDES": str(path)})
    prices, remove = service.hello(settings).listed
    assert prices.rate_limits == ("10/s by address",)
    assert (remove.deadline_ms, remove.claims, remove.body_bytes) == (500, {"scope": ("admin",)}, 1024)


async def test_typed_handlers() -> None:
    service: Service = run(blocks("Typed handlers")[0]).service
    good = [{"sku": "a", "quantity": 1}]
    response = await testing.call(service, "PUT", "/orders/7?dry_run=true", json=good)
    assert response.json() == {"id": 7, "lines": good}
    bad = await testing.call(service, "PUT", "/orders/7", json=[*good, {"sku": "b", "quantity": 0}])
    shown = re.sub(r"\s+", " ", blocks("Typed handlers", "json")[0]).strip()
    answer = bad.json()
    del answer["request_id"], answer["correlation_id"]
    assert re.sub(r"\s+", " ", str(answer)).replace("'", '"') == shown
    assert (await testing.call(service, "GET", "/orders?page=3&tag=a")).json() == [{"id": 3, "lines": []}]


async def test_calling_other_services() -> None:
    shop = run(blocks("Calling other services")[0]).shop
    tests = run(next(block for block in blocks("Testing") if "others=" in block), shop=shop)
    await tests.test_offer()
    inventory = Service("inventory", version="1.0.0")
    inventory.get("/stock/{sku}")(lambda call, sku: (404, None))
    assert (await testing.call(shop, "GET", "/offers/7", others={"inventory": inventory})).status == 404
