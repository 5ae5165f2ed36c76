"""A service with one async and one plain handler.

make run                                          # or: penstock serve, and in a second terminal:
PENSTOCK_GATEWAYS=tcp://127.0.0.1:7420 python examples/billing.py
curl http://127.0.0.1:8080/invoices/42
"""

from penstock import Service

service = Service("billing", version="1.4.0", access="public")


@service.get("/invoices/{invoice_id}")
async def invoice(call, invoice_id: str):
    return {"id": invoice_id, "remaining_ms": call.remaining_ms}


@service.post("/invoices")
def create(call):  # a plain function runs in the batch: it must not block
    return 201, {"echo": call.json()}


if __name__ == "__main__":
    service.run()  # PENSTOCK_GATEWAYS=tcp://127.0.0.1:7420
