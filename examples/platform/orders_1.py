"""Orders, version 1.4.0: what most clients still get."""

from penstock import Call, Service

service = Service("orders", version="1.4.0", access="authenticated")


@service.get("/orders/{number}")
def order(call: Call, number: str) -> object:
    """An order of the tenant's."""
    return {"number": number, "tenant": call.tenant, "product": "tea", "count": 2, "version": service.version}


@service.post("/orders", claims={"role": ["clerk"]}, rate_limits=["5/s by tenant"])
def create(call: Call) -> object:
    """Only clerks order, as the gateway sees to before the request comes here."""
    return 201, {"number": "8", "tenant": call.tenant, "clerk": call.principal, "version": service.version}


if __name__ == "__main__":
    service.run()
