"""The catalogue: anybody may look. It runs in two regions, and says in which one the answer was made.

PENSTOCK_REGION=near python examples/platform/catalogue.py
"""

import os

from penstock import Call, Problem, Service

service = Service("catalogue", version="1.0.0", access="public")

PRICES_CENTS = {"tea": 450, "cups": 1250, "kettle": 3900}


@service.get("/products")
def products(call: Call) -> object:
    """All of them."""
    return {"products": sorted(PRICES_CENTS), "region": region()}


@service.get("/products/{name}")
def product(call: Call, name: str) -> object:
    """One of them, with its price."""
    if name not in PRICES_CENTS:
        raise Problem(404, "product_unknown", f"there is no product {name[:20]!r}")
    return {"name": name, "price_cents": PRICES_CENTS[name], "region": region()}


def region() -> str:
    """Where this process runs, as its environment says to the gateway, too."""
    return os.environ.get("PENSTOCK_REGION", "local")


if __name__ == "__main__":
    service.run()
