"""Mending: in tolerant mode, a head that the scanner refused is read to its end, repaired, and scanned again.

What is repaired, and what never is, stands in `tolerant`. The repaired head goes back to the wire as if it had come so.
"""

from typing import Final

import trio

from frames.wire_values import HandBack
from proxy.edge.task.client import ClientGone, ClientSocket, ClientTooSlow
from proxy.edge.task.handover import HandOver
from proxy.edge.tolerant import head_end, is_worth_waiting, may_be_repaired, repair
from proxy.errors import HEAD_TIMEOUT, reason_of_verdict
from proxy.request.stage import Answer

_EMPTY_LINES_BYTES_MAX: Final = 1024
"""Empty lines before a request line that are put up with, beside the head."""


class Unmended(Exception):  # noqa: N818 - it says what is the case
    """The head stays refused."""


class Mender:
    """Repairs heads, where that is wanted."""

    def __init__(self, hand_over: HandOver) -> None:
        """Take what hands connections over."""
        self._hand_over = hand_over

    def begin(self, exchange: int, verdict: int) -> bool:
        """Take on a request of this batch that was refused. False: it is to be answered as it is."""
        if not self._hand_over.settings.is_tolerant:
            return False
        taken = self._hand_over.take_connection(exchange)
        if taken is None:
            return False
        self._hand_over.spawn(self._mend, exchange, verdict, taken[0])
        return True

    async def _mend(self, exchange: int, verdict: int, client: ClientSocket) -> None:
        settings = self._hand_over.settings
        how, rest = HandBack.RESET, b""
        refused: Answer | None = Answer(HEAD_TIMEOUT)
        try:
            with trio.move_on_after(settings.grace_s):
                try:
                    rest = await read_and_repair(client, verdict, settings.head_bytes)
                    how, refused = HandBack.KEEP, None
                except Unmended:
                    refused = Answer(reason_of_verdict(verdict))
            if refused is not None:
                await client.send(self._hand_over.write_answer(exchange, refused, True))
                await client.send_close_notify()
                how = HandBack.LINGER
        except (ClientGone, ClientTooSlow):
            pass
        finally:
            self._hand_over.give_back(exchange, how, rest, client)


async def read_and_repair(client: ClientSocket, verdict: int, head_bytes_max: int) -> bytes:
    """Return the repaired head with what came behind it. Raises `Unmended`, `ClientGone`."""
    received = client.take_held()
    if not may_be_repaired(received, verdict):
        raise Unmended
    while (end := head_end(received)) is None:
        if len(received) > head_bytes_max + _EMPTY_LINES_BYTES_MAX or not is_worth_waiting(received):
            raise Unmended
        data = await client.receive()
        if not data:
            raise ClientGone
        received += data
    repaired = repair(received[:end], verdict)
    if repaired is None or repaired == received[:end]:
        raise Unmended
    return repaired + received[end:]
