"""Waits until a gateway has replaced its workers, which takes a moment for each of them."""

import time
from typing import Any, Final

from .admin_client import AdminClient
from .failures import AdminError

POLL_S: Final = 0.2
ABSENT_S: Final = 30.0
"""How long nobody may answer: while one program takes the place of another, the connection waits."""


def follow(client: AdminClient, path: str) -> dict[str, Any]:
    """Return what the page says when it is over.

    Raises:
        AdminError: the gateway has gone meanwhile.
    """
    last_heard = time.monotonic()
    while True:
        try:
            came: dict[str, Any] = client.get(path)
        except AdminError:
            if time.monotonic() - last_heard > ABSENT_S:
                raise
        else:
            last_heard = time.monotonic()
            if came.get("state") in ("done", "failed"):
                return came
        time.sleep(POLL_S)


def text_of(came: dict[str, Any], done: str) -> str:
    """Return a line for people."""
    return done if came["state"] == "done" else f"not all workers were replaced: {came['error']}"
