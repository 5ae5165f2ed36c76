"""Orders: typed bodies, errors, the tenant, the query, raw bytes, a deadline of its own.

PENSTOCK_GATEWAYS=tcp://127.0.0.1:7420 python examples/orders.py

curl -d '{"item": "tea", "count": 2}' http://127.0.0.1:8080/orders -H 'x-tenant-id: acme'
curl 'http://127.0.0.1:8080/orders?item=tea&item=cups' -H 'x-tenant-id: acme'
curl http://127.0.0.1:8080/orders/1/label -H 'x-tenant-id: acme'
"""

from typing import Any

import msgspec
import trio

from penstock import BadRequest, Call, Problem, Response, Service

service = Service("orders", version="0.2.0", access="public")

orders: dict[tuple[str, int], "Order"] = {}


class Order(msgspec.Struct):
    """What a client orders. `count` is checked when the body is decoded."""

    item: str
    count: int = 1


@service.post("/orders")
def create(call: Call) -> Any:
    """201 with a Location; a body of another form is answered 400 with the reason."""
    order = call.json(Order)
    if order.count < 1:
        raise BadRequest("count_too_small", "count must be at least 1")
    number = len(orders) + 1
    orders[tenant_of(call), number] = order
    return 201, {"number": number}, {"location": f"/orders/{number}"}


@service.get("/orders")
def search(call: Call) -> Any:
    """All of a tenant's orders, or those for the items in the query: `?item=tea&item=cups`."""
    wanted = call.query.all("item")
    tenant = tenant_of(call)
    return [order for (owner, _), order in orders.items() if owner == tenant and (not wanted or order.item in wanted)]


@service.get("/orders/{number}")
def find(call: Call, number: str) -> Any:
    """A struct becomes JSON."""
    return order_of(call, number)


@service.get("/orders/{number}/label", deadline_ms=2_000)
async def label(call: Call, number: str) -> Any:
    """Bytes with a content type of their own. The handler is cancelled when the caller stops waiting."""
    order = order_of(call, number)
    await trio.sleep(0.01)  # the printer, say: anything that waits must be awaited
    text = f"{order.count} x {order.item}"
    return Response(f"<svg><text>{text}</text></svg>".encode(), headers={"content-type": "image/svg+xml"})


@service.delete("/orders/{number}")
def cancel(call: Call, number: str) -> None:
    """None becomes 204."""
    order_of(call, number)
    del orders[tenant_of(call), int(number)]


def tenant_of(call: Call) -> str:
    """The tenant, which this service cannot do without."""
    if call.tenant is None:
        raise BadRequest("tenant_missing", "send x-tenant-id")
    return call.tenant


def order_of(call: Call, number: str) -> Order:
    """The tenant's order of that number, or 404."""
    order = orders.get((tenant_of(call), int(number))) if number.isdecimal() else None
    if order is None:
        raise Problem(404, "order_unknown", f"there is no order {number[:20]!r}")
    return order


if __name__ == "__main__":
    service.run()
