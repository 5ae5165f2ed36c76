"""The invoice service as a FastAPI application; as a program, behind the ASGI bridge in a loop that is named.

Both ways it runs in the environment of the rivals: the same FastAPI for all.
"""

import sys

from fastapi import FastAPI

from benchmarks.work import invoice

app = FastAPI(openapi_url=None)


@app.get("/invoices/{invoice_id}")
async def invoices(invoice_id: str) -> dict[str, str | int]:
    """Return an invoice."""
    return invoice(invoice_id)


def main(loop: str) -> None:
    """Serve it until a signal."""
    from penstock import asgi

    is_trio = loop == "trio"
    asgi.service(app, name="billing", version="1.4.0", access="public", loop="trio" if is_trio else "uvloop").run()


if __name__ == "__main__":
    main(sys.argv[1])
