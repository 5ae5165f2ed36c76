"""The work that every contender does: the same requests, the same answer."""

import string

INVOICE_PATH = "/invoices/42"
INVOICE_BODY = b'{"id":"42","currency":"EUR","amount_cents":129900}'
CREATE_PATH = "/invoices"
CREATED_ID = "42"
CREATE_BODY_BYTES = 1024
CREATE_BODY = ('{"note":"' + (string.ascii_lowercase * 40)[: CREATE_BODY_BYTES - 11] + '"}').encode()
DOWNLOADS_PATH, UPLOADS_PATH, STALLED_PATH = "/downloads/{mebibytes}", "/uploads", "/stalled"
BODY_MIB = 100


def invoice(invoice_id: str) -> dict[str, str | int]:
    """Return the invoice as a Python service makes it; encoded without spaces it is INVOICE_BODY."""
    return {"id": invoice_id, "currency": "EUR", "amount_cents": 129900}
