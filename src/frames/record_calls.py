"""The wire's calls for what is looked at afterwards: records of exchanges, and figures for people.

Contract of the C side: csrc/wire.h and csrc/record.h. `frames.wire.Wire` has these calls; what they return is in
`frames.records`, which is loaded with the first of them: a service's wire measures nothing, and an idle gateway is
not asked.
"""

from typing import TYPE_CHECKING, Any

from frames._native import ffi, lib
from frames.figure_calls import FigureCalls

if TYPE_CHECKING:
    from frames.records import ExchangeRecord, RecordRing, TurnFigures

_RANDOM_MAX = 0xFFFF_FFFF_FFFF_FFFF


def _bound(ratio: float) -> int:
    """Return below which of 2^64 equally likely numbers that share of them is."""
    return min(int(ratio * 2.0**64), _RANDOM_MAX)


class RecordCalls(FigureCalls):
    """Calls about exchanges that have ended, and about how batches went."""

    def __init__(self, wire: Any) -> None:
        """wire: the ``wire *``."""
        super().__init__(wire)
        self._rings: dict[int, Any] = {}

    def record_reason(self, exchange: int, reason: int, route: int = 0xFFFF_FFFF) -> None:
        """Note why the gateway answers an undecided exchange itself. route: whose it was, where it was not sent."""
        lib.wire_record_reason(self._wire, exchange, reason, route)

    def record_route(self, exchange: int) -> int:
        """Return whose route an exchange is, as its record has it; -1: nobody's, or it has no record."""
        return int(lib.wire_record_route(self._wire, exchange))

    def record_bytes(self, exchange: int, bytes_out: int) -> None:
        """Note bytes that were written to the client of an exchange that is handed over."""
        lib.wire_record_bytes(self._wire, exchange, bytes_out)

    def watch_records(self, log_ratio: float, *, sampled: bool) -> None:
        """Say which records go to `RecordRing.WATCHED` from now on: a share drawn at random, and sampled traces."""
        lib.wire_watch_records(self._wire, _bound(log_ratio), sampled)

    def sample_traces(self, ratio: float, *, own_spans: bool) -> None:
        """Say what share of the traces that begin here is sampled, and whether spans of the gateway's own are named.

        The share is drawn as OpenTelemetry's TraceIdRatioBased draws: by the last eight bytes of the trace id.
        """
        lib.wire_sample_traces(self._wire, _bound(ratio), own_spans)

    def record_sequence(self, ring: "RecordRing") -> int:
        """Return the sequence of a ring's newest record; 0 where there is none."""
        return int(lib.wire_record_sequence(self._wire, ring))

    def records(self, ring: "RecordRing", after: int, limit: int = 256) -> "tuple[list[ExchangeRecord], int]":
        """Return the oldest records of a ring after a sequence, and how many before them were overwritten unread."""
        from frames.records import RECORD_BYTES, read_record

        room = int(lib.wire_record_room(self._wire, ring))
        newest = self.record_sequence(ring)
        if not room or after >= newest:
            return [], 0
        first = max(after, newest - room)
        memory = self._ring(ring, room)
        places = [place % room * RECORD_BYTES for place in range(first, min(first + limit, newest))]
        return [read_record(memory[at : at + RECORD_BYTES]) for at in places], first - after

    def find_records(self, text: bytes, limit: int = 16) -> "list[ExchangeRecord]":
        """Return records by request id, correlation id or trace id (32 hexadecimal digits), newest first."""
        from frames.records import RecordRing

        found: dict[tuple[bytes, int], ExchangeRecord] = {}
        for ring in RecordRing:
            for record in self._find_in(ring, text, limit):
                found.setdefault((record.span_id, record.started_us), record)
        newest_first = sorted(found.values(), key=lambda record: record.started_us, reverse=True)
        return newest_first[:limit]

    def _find_in(self, ring: "RecordRing", text: bytes, limit: int) -> "list[ExchangeRecord]":
        sequences = ffi.new("uint64_t[]", limit)
        trace = _trace_id(text) or ffi.NULL
        count = lib.wire_find_records(self._wire, ring, text, len(text), trace, sequences, limit) if text else 0
        return [self.records(ring, sequences[at] - 1, limit=1)[0][0] for at in range(count)]

    def _ring(self, ring: int, room: int) -> Any:
        if ring not in self._rings:
            from frames.records import RECORD_BYTES

            size = int(lib.wire_record_room(self._wire, ring)) * RECORD_BYTES
            self._rings[ring] = ffi.buffer(lib.wire_records(self._wire, ring), size)
        return self._rings[ring]

    # ---- figures ----

    def route_totals(self, route: int) -> tuple[int, ...]:
        """Return counts of a route's whole times at the edge, by the rule of ``route_latency``; empty for none."""
        counts = lib.wire_route_totals(self._wire, route)
        return () if counts == ffi.NULL else tuple(ffi.unpack(counts, lib.WIRE_LATENCY_COUNTS))

    def route_gateway(self, route: int) -> tuple[int, ...]:
        """Return counts of what of that no attempt at a service took, by the coarser rule (``COARSE_COUNTS``)."""
        return _coarse(lib.wire_route_gateway(self._wire, route))

    def instance_statuses(self, connection: int) -> tuple[int, ...]:
        """Return how many responses came on a framed connection by status class; also just after its end."""
        counts = lib.wire_instance_statuses(self._wire, connection)
        return () if counts == ffi.NULL else tuple(ffi.unpack(counts, 6))

    def instance_latency(self, connection: int) -> tuple[int, ...]:
        """Return counts of times to respond on a framed connection, by the coarser rule; also just after its end."""
        return _coarse(lib.wire_instance_latency(self._wire, connection))

    def turns(self) -> "TurnFigures":
        """Return how batches went since the start."""
        from frames.records import TurnFigures

        of = lib.wire_turns(self._wire)
        return TurnFigures(
            tuple(ffi.unpack(of.turn_us, lib.WIRE_COARSE_COUNTS)),
            tuple(ffi.unpack(of.away_us, lib.WIRE_COARSE_COUNTS)),
            tuple(ffi.unpack(of.requests, lib.WIRE_BATCH_COUNTS)),
            of.turn_sum_us,
            of.away_sum_us,
            of.turn_max_us,
            of.away_max_us,
        )


def _coarse(counts: Any) -> tuple[int, ...]:
    return () if counts == ffi.NULL else tuple(ffi.unpack(counts, lib.WIRE_COARSE_COUNTS))


def _trace_id(text: bytes) -> bytes:
    """Return the trace id that the text names; empty where it names none."""
    try:
        return bytes.fromhex(text.decode("ascii")) if len(text) == 32 else b""
    except ValueError:  # no ASCII, or no hexadecimal digits
        return b""
