"""Exchanges that have ended, as operators look at them: the wire's records, by name, and only those that are wanted.

A record is made a value in some ten microseconds, so they are read in small steps, with the traffic in between.
"""

from collections import deque
from typing import TYPE_CHECKING, Final

import trio

from frames.records import ExchangeRecord, RecordFlag, RecordRing
from proxy.admin.record_page import AttemptRow, RecordPage, RecordRow, RecordsWanted, after_of, places_of
from proxy.admin.record_query import has_status
from proxy.admin.state import AdminProblem
from proxy.records.names import method_name, outcome_name, reason_code
from proxy.records.target import shown_target

if TYPE_CHECKING:
    from proxy.gateway.app import Gateway

_AT_ONCE: Final = 64
_FOUND_MAX: Final = 100
LOOKED_MAX: Final = 16_384
"""Records that one question looks at, in a fraction of a second; a million may be kept."""
_RINGS: Final = {"recent": RecordRing.RECENT, "notable": RecordRing.NOTABLE}
_SHOWN_FLAGS: Final = (
    (RecordFlag.TLS, "tls"),
    (RecordFlag.STREAMED, "streamed"),
    (RecordFlag.CLIENT_GONE, "client_gone"),
    (RecordFlag.CUT, "cut"),
    (RecordFlag.SAMPLED, "sampled"),
)
_NOT_KEPT: Final = "No records of requests are kept, since metrics.enabled is off."


class Records:
    """Reads the records of one gateway."""

    def __init__(self, gateway: "Gateway") -> None:
        """Look at this gateway."""
        self._wire = gateway.wire
        self._worker = gateway.worker_id
        self._names = gateway.recording.names
        self._configured = gateway.configured

    async def page(self, wanted: RecordsWanted) -> RecordPage:
        """Return the records that are wanted, the oldest first. `AdminProblem` where none are kept."""
        if not self._wire.settings.measures:
            raise AdminProblem(404, _NOT_KEPT)
        if wanted.id:
            found = self._wire.find_records(wanted.id.encode("utf-8"), _FOUND_MAX)
            return RecordPage([self._row(record) for record in reversed(found)], "")
        return await (self._following(wanted) if wanted.after else self._newest(wanted))

    async def _newest(self, wanted: RecordsWanted) -> RecordPage:
        """Return the newest ones of all that are kept."""
        ring = _RINGS[wanted.ring]
        newest = self._wire.record_sequence(ring)
        place = max(0, newest - (wanted.limit if _wants_all(wanted) else LOOKED_MAX))
        kept: deque[ExchangeRecord] = deque(maxlen=wanted.limit)
        while place < newest:
            records, _ = self._wire.records(ring, place, _AT_ONCE)
            kept.extend(record for record in records if self._is_wanted(record, wanted))
            place = records[-1].sequence if records else newest
            await trio.lowlevel.checkpoint()
        return RecordPage([self._row(record) for record in kept], after_of({self._worker: place}))

    async def _following(self, wanted: RecordsWanted) -> RecordPage:
        """Return what came after a place. A place that was never reached is one of a process before this one."""
        ring, begin = _RINGS[wanted.ring], places_of(wanted.after).get(self._worker, 0)
        newest = self._wire.record_sequence(ring)
        place = begin = 0 if begin > newest else begin
        rows: list[RecordRow] = []
        lost = looked = 0
        while place < newest and len(rows) < wanted.limit and looked < LOOKED_MAX:
            records, missed = self._wire.records(ring, place, _AT_ONCE)
            lost += missed if begin else 0  # who begins here has missed nothing
            place = newest if not records else place
            looked += len(records)
            for record in records:
                place = record.sequence
                if self._is_wanted(record, wanted):
                    rows.append(self._row(record))
                    if len(rows) == wanted.limit:
                        break
            await trio.lowlevel.checkpoint()
        return RecordPage(rows, after_of({self._worker: place}), lost, has_more=place < newest)

    def _is_wanted(self, record: ExchangeRecord, wanted: RecordsWanted) -> bool:
        if record.ended_us < wanted.slower_us or (wanted.status and not has_status(wanted.status, record.status)):
            return False
        if wanted.reason and reason_code(record.reason) != wanted.reason:
            return False
        if wanted.method and method_name(record.method) != wanted.method:
            return False
        if wanted.tenant and record.tenant != wanted.tenant.encode("utf-8"):
            return False
        if wanted.service or wanted.route:
            route = self._names.route(record.route)
            if wanted.service not in ("", route.service):
                return False
            if not route.template.startswith(wanted.route) and not _path(record).startswith(wanted.route):
                return False
        of = wanted.instance
        return not of or any(self._names.instance(each.connection).instance == of for each in record.attempts)

    def _row(self, record: ExchangeRecord) -> RecordRow:
        route = self._names.route(record.route)
        return RecordRow(
            worker=self._worker,
            sequence=record.sequence,
            at=record.started_unix_us / 1_000_000,
            request_id=_text(record.request_id),
            correlation_id=_text(record.correlation_id),
            trace_id=record.trace_id.hex(),
            method=method_name(record.method),
            target=shown_target(record.target, self._configured.config.records.query),
            route=f"{route.method} {route.template}" if route.template else "",
            service=route.service,
            status=record.status,
            reason=reason_code(record.reason),
            took_us=record.ended_us,
            sent_us=record.sent_us,
            answered_us=record.answered_us,
            gateway_us=max(0, record.ended_us - record.upstream_us),
            bytes_in=record.bytes_in,
            bytes_out=record.bytes_out,
            tenant=_text(record.tenant),
            principal=_text(record.principal),
            client=record.client,
            flags=[name for flag, name in _SHOWN_FLAGS if record.flags & flag],
            attempt_count=record.attempt_count,
            attempts=[self._attempt(record, number) for number in range(len(record.attempts))],
        )

    def _attempt(self, record: ExchangeRecord, number: int) -> AttemptRow:
        attempt = record.attempts[number]
        at = self._names.instance(attempt.connection)
        return AttemptRow(
            number=attempt.number,
            service=at.service,
            instance=at.instance,
            outcome=outcome_name(attempt.outcome),
            began_us=attempt.began_us,
            took_us=attempt.took_us,
            is_hedge=attempt.is_hedge,
        )


def _wants_all(wanted: RecordsWanted) -> bool:
    return wanted == RecordsWanted(ring=wanted.ring, limit=wanted.limit)


def _path(record: ExchangeRecord) -> str:
    return shown_target(record.target, "none")


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
