"""The OpenAPI page of the admin listener: real services, and those that do not answer well."""

import msgspec
import pytest
import trio
from lab import Lab, open_lab, until
from lab_service import RawService
from msgspec.structs import replace

from frames.endpoint import EndpointOffer
from frames.fixed import encode_refused
from frames.frame import END, FrameType, Method, RefusedReason
from penstock import Call, Service
from proxy.admin.openapi import KEPT_S
from proxy.gateway import describing


class Invoice(msgspec.Struct):
    id: int


def billing(version: str) -> Service:
    service = Service("billing", version=version)

    @service.get("/invoices/{number}", access="public")
    def read(call: Call, number: int) -> Invoice:
        """Read an invoice."""
        return Invoice(number)

    @service.post("/invoices")
    def write(call: Call, body: Invoice) -> Invoice:
        return body

    return service


async def describe(service: RawService, body: bytes) -> None:
    """Answer the question that comes next."""
    asked = await service.asked()
    assert (asked.endpoint, asked.method, asked.target) == (65_535, Method.GET, b"/openapi.json")
    await service.respond(asked, body=body)


async def missing(lab: Lab) -> list[tuple[str, str]]:
    page = (await lab.admin("/openapi.json")).json()
    return [(each["service"], each["reason"]) for each in page.get("x-penstock-missing", [])]


async def test_real_services_in_two_versions() -> None:
    async with open_lab(identity_undeclared="authenticated") as lab:
        for number, version in enumerate(("1.0.0", "2.0.0")):
            await lab.serve(billing(version), instance=f"b-{number}")
        await lab.raw("GET /old", service="old", instance="old-1")
        page = await lab.admin("/openapi.json")
        assert (page.status, page.headers[b"content-type"]) == (200, b"application/json")
        document = page.json()
        assert document["openapi"] == "3.1.0"
        assert {path: list(item) for path, item in document["paths"].items()} == {
            "/invoices": ["post"],
            "/invoices/{number}": ["get"],
        }
        read, write = document["paths"]["/invoices/{number}"]["get"], document["paths"]["/invoices"]["post"]
        assert (read["summary"], read["tags"], read["security"]) == ("Read an invoice.", ["billing"], [])
        assert write["security"] == [{"bearer": []}]
        assert write["x-penstock-versions"] == ["2.0.0", "1.0.0"]
        content = write["requestBody"]["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/billing.Invoice"}
        assert "billing-1.0.0.Invoice" in document["components"]["schemas"]
        assert document["x-penstock-missing"] == [
            {"service": "old", "version": "1.0.0", "reason": "it does not describe itself"}
        ]
        alone = (await lab.admin("/openapi.json?service=billing&version=1.0.0")).json()
        assert alone["tags"] == [{"name": "billing", "x-penstock-versions": ["1.0.0"]}]
        assert "billing.Invoice" in alone["components"]["schemas"]
        gone = await lab.admin("/openapi.json?service=nobody")
        assert gone.status == 404
        assert gone.json()["detail"] == "No instance of 'nobody' is there to describe itself."


async def test_it_is_asked_once_for_many_and_kept_for_a_while() -> None:
    async with open_lab() as lab:
        service = await lab.raw("GET /a", features=("openapi",))
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(lab.admin, "/openapi.json")
            await describe(service, b'{"paths": {"/a": {"get": {}}}}')
        assert lab.count("begun") == 1
        assert list((await lab.admin("/openapi.json")).json()["paths"]) == ["/a"]
        descriptions = lab.gateway.own.descriptions
        descriptions._kept = {source: (at - KEPT_S, kept) for source, (at, kept) in descriptions._kept.items()}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lab.admin, "/openapi.json")
            await describe(service, b"{}")
        assert await missing(lab) == [("raw", "its description has no paths")]
        assert lab.count("begun") == 2
        assert sum(map(sum, map(lab.gateway.wire.route_statuses, range(1)))) == 0


async def test_other_endpoints_are_asked_for_anew() -> None:
    async with open_lab() as lab:
        service = await lab.stranger()
        for number, path in enumerate(("/a", "/b")):
            endpoints = (EndpointOffer(id=number, method="GET", path=path),)
            await service.join(endpoints=endpoints, features=("openapi",))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lab.admin, "/openapi.json")
                await describe(service, b'{"paths": {"%s": {"get": {}}}}' % path.encode())
            assert list((await lab.admin("/openapi.json")).json()["paths"]) == [path]


async def test_who_does_not_answer_well_is_named() -> None:
    async with open_lab() as lab:
        names = ("refuses", "fails", "leaves", "talks", "good")
        services = {
            name: await lab.raw(f"GET /{name}", service=name, instance=name, features=("openapi",)) for name in names
        }
        pages: list[list[tuple[str, str]]] = []
        async with trio.open_nursery() as nursery:

            async def get() -> None:
                pages.append(await missing(lab))

            nursery.start_soon(get)
            asked = {name: await service.asked() for name, service in services.items()}
            refused = encode_refused(RefusedReason.UNKNOWN_ENDPOINT, 0)
            await services["refuses"].send(FrameType.REFUSED, refused, exchange=asked["refuses"].exchange)
            await services["fails"].respond(asked["fails"], 500)
            await services["leaves"].aclose()
            await services["talks"].respond(asked["talks"], 200, body=b"hello")
            await services["good"].respond(asked["good"], 200, body=b'{"paths": {}}')
        assert pages == [
            [
                ("fails", "it answered 500"),
                ("leaves", "it did not answer: service_lost"),
                ("refuses", "it did not answer: service_endpoint_unknown"),
                ("talks", "its description is no JSON"),
            ]
        ]


async def test_one_that_hangs_does_not_hide_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describing, "_QUESTION", replace(describing._QUESTION, deadline_ms=50))
    async with open_lab() as lab:
        await lab.serve(billing("1.0.0"), instance="b-1")
        hangs = await lab.raw("GET /hangs", service="hangs", instance="h-1", features=("openapi",))
        page = (await lab.admin("/openapi.json")).json()
        assert "/invoices" in page["paths"]
        assert page["x-penstock-missing"][0]["reason"] == "it did not answer: deadline"
        await hangs.asked()
        await hangs.cancelled()


async def test_a_client_that_goes_leaves_nothing_behind() -> None:
    async with open_lab() as lab:
        service = await lab.raw("GET /a", features=("openapi",))
        stream = await trio.open_tcp_stream(*lab.addresses.admin)
        await stream.send_all(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n")
        asked = await service.asked()
        await trio.aclose_forcefully(stream)
        await service.respond(asked, body=b'{"paths": {}}', flags=END)
        await until(lambda: len(lab.gateway.own.originated) == 0)


async def test_one_that_drains_is_not_asked() -> None:
    async with open_lab() as lab:
        service = await lab.raw("GET /a", features=("openapi",))
        await service.send(FrameType.GOAWAY, b"\1\0\0\0\0\0\1\0")
        await until(lambda: lab.health == {"raw-1": "draining"})
        assert await missing(lab) == [("raw", "no instance of it can be asked now")]
