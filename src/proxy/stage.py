"""A stage: one decision about an exchange, as a plain function.

    stage(exchange) -> None     go on with the next one
    stage(exchange) -> Answer   stop here, and answer so

A stage neither waits nor does I/O of its own, so the same one serves every lane and is tested with plain values. What
it needs beside the exchange is given to it when the path is put together, in ``proxy.app``.
"""

from collections.abc import Callable
from typing import NamedTuple

from proxy.errors import Reason
from proxy.exchange import Exchange


class Answer(NamedTuple):
    """An answer that the gateway gives itself."""

    reason: Reason
    detail: str | None = None
    """One sentence about this occurrence, made by us."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    retry_after_s: int | None = None
    """In place of the reason's own."""


Stage = Callable[[Exchange], Answer | None]
