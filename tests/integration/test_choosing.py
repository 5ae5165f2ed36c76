"""Who of several gets a request: by region, by the parts of a split, by the tenant's place."""

from pathlib import Path

from lab import Lab, open_lab, until
from lab_client import Client, HttpAnswer, request
from lab_service import RawService

from proxy.route.split import bucket_of

PATH = "/things"


async def joined(lab: Lab, *said: dict[str, object]) -> list[RawService]:
    return [await lab.raw(f"GET {PATH}", **{"instance": f"raw-{number}"} | more) for number, more in enumerate(said, 1)]


async def instances(lab: Lab, count: int) -> None:
    """Wait until so many are left."""
    await until(lambda: len(lab.gateway.registry.instances) == count)


async def goes_to(client: Client, service: RawService, *lines: str) -> None:
    """Ask once: this service is asked, and its answer arrives."""
    await client.send(request("GET", PATH, *lines))
    await service.respond(await service.asked(), 200)
    assert (await client.answer()).status == 200


# ---- regions ----


async def test_the_next_region_only_where_the_nearer_is_empty() -> None:
    regions = {"regions_own": "eu-1", "regions_neighbours": "{eu-1: [eu-2]}"}
    async with open_lab(identity_undeclared="public", **regions) as lab:
        far, near, own = await joined(lab, {"region": "us-1"}, {"region": "eu-2"}, {"region": "eu-1"})
        client = await lab.client()
        for left, service in ((2, own), (1, near), (0, far)):
            for _ in range(5):
                await goes_to(client, service)
            await service.aclose()
            await instances(lab, left)
        answer = await client.get(PATH)
        assert (answer.status, answer.reason) == (404, "no_route")


# ---- splits ----

SPLIT = "[{service: raw, split: {weights: {1.4.0: 50, ^2: 50}, by: tenant, cases: [{version: ^2, tenants: [acme]}]}}]"


async def test_a_tenant_always_gets_the_part_that_its_bucket_is_in() -> None:
    async with open_lab(identity_undeclared="public", rules=SPLIT) as lab:
        old, new = await joined(lab, {"version": "1.4.0"}, {"version": "2.0.0"})
        client = await lab.client()
        tenants = [f"tenant-{number}" for number in range(20)]
        assert 5 < sum(bucket_of(tenant.encode()) < 5_000 for tenant in tenants) < 15
        for tenant in tenants:
            for _ in range(2):
                await goes_to(client, old if bucket_of(tenant.encode()) < 5_000 else new, f"x-tenant-id: {tenant}")
        await goes_to(client, new, "x-tenant-id: acme")
        for version, service in (("1.4.0", old), ("2.0.0", new)):
            await goes_to(client, service, "x-tenant-id: acme", f"x-service-version: {version}")


async def test_a_version_without_weight_gets_nothing_even_alone() -> None:
    rules = "[{service: raw, split: {weights: {1.4.0: 100, 2.0.0: 0}}}]"
    async with open_lab(identity_undeclared="public", rules=rules) as lab:
        old, new = await joined(lab, {"version": "1.4.0"}, {"version": "2.0.0"})
        client = await lab.client()
        for _ in range(10):
            await goes_to(client, old)
        await old.aclose()
        await instances(lab, 1)
        answer = await client.get(PATH)
        assert (answer.status, answer.reason) == (503, "no_instance")
        await goes_to(client, new, "x-service-version: 2.0.0")


# ---- placement ----

MAP = """\
kind: aggregate_placement
revision: 1
shards: {one: [raw-1], two: [raw-2], away: [raw-9]}
tenants: {acme: one, umbrella: two, lost: away}
"""


def refusal(answer: HttpAnswer) -> tuple[int, str, bytes | None]:
    return answer.status, answer.reason, answer.headers.get(b"retry-after")


async def test_a_tenant_is_served_by_its_shard_only(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(MAP)
    settings = {"rules": "[{service: raw, placement: aggregate_placement}]", "placement_maps": str(path)}
    async with open_lab(identity_undeclared="public", **settings) as lab:
        one, two = await joined(lab, {"region": "us-1"}, {})
        client = await lab.client()
        for _ in range(5):
            await goes_to(client, one, "x-tenant-id: acme")
            await goes_to(client, two, "x-tenant-id: umbrella")
        assert refusal(await client.get(PATH)) == (400, "tenant_missing", None)
        for tenant in ("lost", "other"):
            answer = await client.get(PATH, f"x-tenant-id: {tenant}")
            assert refusal(answer) == (503, "shard_missing", b"1")
