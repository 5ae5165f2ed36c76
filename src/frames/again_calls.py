"""The wire's calls for sending again what was kept, and for what is counted of that.

Contract of the C side: csrc/wire.h. `frames.wire.Wire` has these calls; they stand here to be found.
"""

from typing import Any

from frames._native import ffi, lib
from frames.request_calls import RequestCalls
from frames.wire_values import NO_IDENTITY, ExchangeFacts, GroupFigures, WireResult


class AgainCalls(RequestCalls):
    """Calls about requests of which the wire keeps a copy, and about groups of routes."""

    def __init__(self, wire: Any) -> None:
        """wire: the ``wire *``."""
        super().__init__(wire)
        self._facts = ffi.new("wire_exchange_facts *")

    def keep(self, exchange: int, deadline_ms: int, identity: Any = NO_IDENTITY) -> int:
        """Keep a plain request of this batch without sending it: the undecided exchange outlives the batch.

        NO_ROOM: it is larger than ``kept_bytes_max``, or all that is kept would be over ``kept_total_bytes_max``.
        """
        result: int = lib.wire_keep(self._wire, exchange, deadline_ms, identity)
        return result

    def again(
        self,
        exchange: int,
        connection: int,
        route: int,
        endpoint: int,
        gauge: int,
        how: int,
        attempt: int,
        attempt_ms: int = 0,
    ) -> int:
        """Send the kept request of an undecided exchange, with what is left of its deadline.

        attempt: 1 to 255, and more than that of the last sending; answers to earlier ones are dropped from then on.
        """
        result: int = lib.wire_again(self._wire, exchange, connection, route, endpoint, gauge, how, attempt, attempt_ms)
        return result

    def branch(self, exchange: int) -> int:
        """Begin an exchange with the kept request, the ids and the deadline of another. Its id, or 0: no room."""
        branch: int = lib.wire_branch(self._wire, exchange)
        return branch

    def outlive(self, exchange: int) -> int:
        """Let a sent exchange go on whose client has left (CLIENT_GONE), as one that was begun (``begin``) and opened.

        Its answer comes as STREAM. NO_EXCHANGE: no service has it any more, or its answer has begun to stream.
        """
        result: int = lib.wire_outlive(self._wire, exchange)
        return result

    def wait(self, exchange: int, milliseconds: int) -> int:
        """Set the timer of an exchange, sent or undecided: EXPIRED comes then, or at its deadline if that is earlier.

        Outside ``decide``, ``flush_soon`` makes it count.
        """
        result: int = lib.wire_wait(self._wire, exchange, milliseconds)
        return result

    def pass_on(self, exchange: int, payload: bytes | memoryview) -> int:
        """Answer an undecided exchange with a RESPONSE's payload, just come or kept. INVALID: it makes no answer."""
        given = payload if type(payload) is bytes else ffi.from_buffer("uint8_t[]", payload)
        result: int = lib.wire_pass_on(self._wire, exchange, given, len(payload))
        return result

    def facts(self, exchange: int) -> ExchangeFacts | None:
        """Return where an exchange stands; None when there is no such exchange."""
        if lib.wire_facts(self._wire, exchange, self._facts) != WireResult.OK:
            return None
        facts = self._facts[0]
        return ExchangeFacts(
            facts.connection,
            facts.route,
            facts.gauge,
            facts.remaining_ms,
            facts.kept_bytes,
            facts.attempt,
            facts.method,
            bool(facts.has_client),
        )

    def set_group(self, route: int, group: int) -> int:
        """Let a route's requests count for a group from now on; 0: for nobody."""
        result: int = lib.wire_set_group(self._wire, route, group)
        return result

    def group_figures(self, group: int) -> GroupFigures:
        """Return what was counted of a group, below ``GROUPS_MAX``."""
        figures = lib.wire_group_figures_of(self._wire, group)
        return GroupFigures(figures.requests, figures.answers, figures.latency_sum_us)
