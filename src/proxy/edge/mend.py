"""Mending: in tolerant mode, a head that the scanner refused is read to its end, repaired, and scanned again.

What is repaired, and what never is, stands in `tolerant`. The repaired head goes back to the wire as if it had come so.
"""

from typing import Final

from proxy.edge.client import ClientGone, ClientSocket
from proxy.edge.tolerant import head_end, may_be_repaired, repair

_MOST_LINES_BEFORE: Final = 1024
"""Bytes of empty lines before a request line that are put up with, beside the head."""


class Unmended(Exception):  # noqa: N818 - it says what is the case
    """The head stays refused."""


async def mend_head(client: ClientSocket, verdict: int, head_bytes_max: int) -> bytes:
    """Return the repaired head with what came behind it. Raises `Unmended`, `ClientGone`."""
    received = client.take_held()
    if not may_be_repaired(received, verdict):
        raise Unmended
    while (end := head_end(received)) is None:
        if len(received) > head_bytes_max + _MOST_LINES_BEFORE:
            raise Unmended
        data = await client.receive()
        if not data:
            raise ClientGone
        received += data
    repaired = repair(received[:end], verdict)
    if repaired is None or repaired == received[:end]:
        raise Unmended
    return repaired + received[end:]
