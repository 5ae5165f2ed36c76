"""A worker that keeps answers to Idempotency-Keys is replaced: no key is forgotten, nobody is refused."""

from pathlib import Path

import pytest
import trio
from benchmarks.steady_clients import SteadyLoad
from lab import run_service
from lab_client import HttpAnswer
from workers_lab import LOADED_SPREAD, PAUSE_S, WorkersLab, open_workers

from penstock import Call, Service

pytestmark = pytest.mark.slow

payments = Service("payments", version="1.0.0", access="public")
paid: list[str] = []


@payments.post("/payments")
async def make_payment(call: Call) -> tuple[int, str]:
    paid.append(call.tenant or "")
    return 201, f"payment {len(paid)}"


async def pay(lab: WorkersLab, key: str) -> HttpAnswer:
    client = await lab.client()
    try:
        fields = ("X-Tenant-Id: acme", f"Idempotency-Key: {key}", "Connection: close")
        return await client.ask("POST", "/payments", *fields)
    finally:
        await client.aclose()


async def test_keys_live_on_when_their_worker_is_replaced(tmp_path: Path) -> None:
    settings = tmp_path / "penstock.yaml"
    settings.write_text(
        f"idempotency: {{store: sqlite, file: {tmp_path / 'keys.db'}}}\n"
        "rules: [{name: pay, path: /payments, idempotency: {}}]\n"
    )
    paid.clear()
    given = {"workers": "auto", "drain_spread": LOADED_SPREAD}
    async with (
        open_workers(tmp_path, "--config", str(settings), **given) as lab,
        trio.open_nursery() as nursery,
    ):
        services = [await lab.serve(nursery), await run_service(nursery, lab.addresses, payments)]
        await lab.until_workers("0.1", instances=2)  # one alone, however many cores there are
        load = SteadyLoad(lab.addresses.edge)
        nursery.start_soon(load.run, 4, PAUSE_S)
        first = await pay(lab, "one")
        assert (first.status, first.body) == (201, b"payment 1")
        assert await lab.command("workers", "restart") == "workers were replaced by 0.2\n"
        assert (await pay(lab, "one")).body == b"payment 1"
        assert (await pay(lab, "two")).body == b"payment 2"
        await lab.command("upgrade")
        await lab.until_workers("0.3", instances=2)
        assert [(await pay(lab, key)).body for key in ("one", "two")] == [b"payment 1", b"payment 2"]
        assert len(paid) == 2
        await load.until_sent(load.sent + 20)
        load.end()
        assert load.failures == {}
        for service in services:
            service.cancel()
