"""Orders, version 2.0.0: the next one, which asks the catalogue for the price."""

from penstock import Call, Service

service = Service("orders", version="2.0.0", access="authenticated")


@service.get("/orders/{number}")
async def order(call: Call, number: str) -> object:
    """An order of the tenant's, with its price: the call goes over the gateway, for the same tenant and in its time."""
    reply = await call.ask("catalogue", "GET", "/products/tea")
    price = reply.check().json()["price_cents"]
    order = {"number": number, "tenant": call.tenant, "product": "tea", "count": 2, "total_cents": 2 * price}
    return order | {"version": service.version}


@service.post("/orders", claims={"role": ["clerk"]}, rate_limits=["5/s by tenant"])
def create(call: Call) -> object:
    """Only clerks order, as the gateway sees to before the request comes here."""
    return 201, {"number": "8", "tenant": call.tenant, "clerk": call.principal, "version": service.version}


if __name__ == "__main__":
    service.run()
