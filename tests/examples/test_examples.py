"""Every example, run without a gateway through `penstock.testing`; and as a program, against one."""

import hashlib
import importlib.util
import re
import subprocess
import sys
from collections.abc import AsyncIterator
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


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("FILES_DIRECTORY", str(tmp_path))
    return _load("files")


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def in_pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def test_files_go_up_and_down(files: ModuleType, tmp_path: Path) -> None:
    data = bytes(index % 251 for index in range(1_000_000))
    made = await testing.call(files.service, "PUT", "/files/a.bin", body=in_pieces(data, 40_000))
    assert (made.status, made.headers["location"]) == (201, "/files/a.bin")
    assert made.json() == {"name": "a.bin", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    got = await testing.call(files.service, "GET", "/files/a.bin")
    assert (got.status, got.body) == (200, data)
    looked = await testing.call(files.service, "HEAD", "/files/a.bin")
    assert (looked.status, looked.body, looked.headers["accept-ranges"]) == (200, b"", "bytes")
    assert names_in(tmp_path) == ["a.bin"]


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-99", 206, slice(0, 100)),
        ("bytes=900-", 206, slice(900, 1000)),
        ("bytes=-1", 206, slice(999, 1000)),
        ("bytes=-5000", 206, slice(0, 1000)),
        ("bytes=990-5000", 206, slice(990, 1000)),
        ("bytes=1000-", 416, slice(0)),
        ("bytes=-0", 416, slice(0)),
        ("bytes=5-4", 416, slice(0)),
        ("bytes=0-1,5-6", 200, slice(0, 1000)),
        ("lines=1-2", 200, slice(0, 1000)),
        ("bytes=-", 200, slice(0, 1000)),
    ],
)
async def test_files_ranges(files: ModuleType, tmp_path: Path, wanted: str, status: int, part: slice) -> None:
    data = bytes(index % 251 for index in range(1000))
    (tmp_path / "a.bin").write_bytes(data)
    got = await testing.call(files.service, "GET", "/files/a.bin", headers={"range": wanted})
    assert got.status == status
    if status != 416:
        assert got.body == data[part]
    if status == 206:
        assert got.headers["content-range"] == f"bytes {part.start}-{part.stop - 1}/1000"


@pytest.mark.parametrize("name", [".hidden", "a.part", "..", "%2e%2e%2fetc", "a" * 101])
async def test_files_names_are_checked(files: ModuleType, name: str) -> None:
    got = await testing.call(files.service, "GET", f"/files/{name}")
    assert (got.status, got.json()["reason"]) == (400, "bad_name")


async def test_files_too_large_and_unknown(files: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "FILE_BYTES_MAX", 100_000)
    for body in (b"x" * 100_001, in_pieces(b"x" * 100_001, 65_536)):
        got = await testing.call(files.service, "PUT", "/files/a", body=body)
        assert (got.status, got.json()["reason"]) == (413, "file_too_large")
    assert not names_in(tmp_path)
    assert (await testing.call(files.service, "GET", "/files/a")).status == 404


async def test_files_events(files: ModuleType) -> None:
    events = files.each_event()
    assert await anext(events) == ": welcome\n\n"
    await testing.call(files.service, "PUT", "/files/a", body=b"abc")
    assert await anext(events) == 'event: upload\ndata: {"name": "a", "size": 3}\n\n'
    await events.aclose()
    assert not files.listeners


async def test_files_chat(files: ModuleType) -> None:
    async with testing.websocket(files.service, "/rooms/lobby") as one:
        async with testing.websocket(files.service, "/rooms/lobby") as two:
            await two.send("hello")
            assert await one.receive() == await two.receive() == "hello"
        await one.send("alone")
        assert await one.receive() == "alone"
    assert not files.rooms


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
