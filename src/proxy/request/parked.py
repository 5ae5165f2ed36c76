"""Parked exchanges: requests that wait for something else than their client or their answer, without a task.

For a place in a line, for the end of a backoff, for another's answer, for a connection that is being dialled. The
client's socket stays with the wire, which keeps the request, its deadline, and notices when the client leaves. Python
keeps a copy of the exchange and of the fields that stages may ask for; nothing else is held.

    park        from a stage, in the batch of the request; the stage then answers PARKED
    answer, reply, pass_on, resume      later, from anywhere: exactly one of them, once
    forget      nobody is told: the request goes on in other hands

Whoever has parked an exchange is told when it is over without its doing, since the client left or the time to drain
ended, and when the time has come that it waited for. After the deadline it is answered, whatever else happens.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol

from frames.wire_values import EXPIRED_EARLY, NO_IDENTITY, Event, EventKind, WireResult
from proxy.errors import BAD_RESPONSE, DEADLINE, DRAINING, INTERNAL
from proxy.request.exchange import NEEDS_TASK, Exchange
from proxy.request.held import HeadPort, HeldFields
from proxy.request.snapshot import Snapshot
from proxy.request.stage import Answer, Await, Lane, Reply, Result, Stage

UNTIL_DEADLINE_MS: Final = 86_400_000
"""A wait that is longer than any deadline: the wire tells of whichever is over first, but of neither without a wait."""

Told = Callable[[Exchange], None]
"""Called with an exchange that is parked, or was until now."""


class NotParkedError(LookupError):
    """A fault of ours: an exchange was to be answered or carried on that is not parked, or not any more."""


class ParkingPort(HeadPort, Protocol):
    """What is asked of the wire."""

    def keep(self, exchange: int, deadline_ms: int, identity: Any, /) -> int:
        """Keep the request of an undecided exchange of this batch, beyond it."""
        ...

    def wait(self, exchange: int, milliseconds: int, /) -> object:
        """Have EVENT_EXPIRED come after this time, or at the deadline, if that is earlier."""
        ...

    def answer(self, exchange: int, status: int, lines: bytes, body: bytes, close: bool, /) -> int:
        """Answer an undecided exchange."""
        ...

    def pass_on(self, exchange: int, payload: Any, /) -> int:
        """Answer an undecided exchange with a service's RESPONSE."""
        ...

    def flush_soon(self) -> None:
        """Send what was written outside of a batch."""
        ...


class Carrier(Protocol):
    """Who ends exchanges that no service answers: `proxy.edge.express.ExpressLane`."""

    @property
    def snapshot(self) -> Snapshot:
        """Routes and limits of now."""
        ...

    def answer(self, exchange: int, answer: Answer, /) -> None:
        """Answer an exchange, and count why."""
        ...

    def client_gone(self, exchange: int, /) -> None:
        """End an exchange whose client has left, and count it."""
        ...

    def fail(self, exchange: Exchange, error: Exception, /) -> None:
        """Answer an exchange at which a stage has failed."""
        ...


class _Parked:
    """One exchange. number: of the parking, so that one that was parked anew is not taken for the former."""

    __slots__ = ("exchange", "is_late", "is_running", "number", "on_expired", "on_gone", "stage")

    stage: Stage
    on_gone: Told | None
    on_expired: Told | None

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.number = 0
        self.is_late = False
        self.is_running = True

    def __repr__(self) -> str:
        state = "carried on" if self.is_running else "waiting"
        return f"<_Parked {self.exchange!r} {state}>"


class Parking:
    """All parked exchanges. Nothing here waits."""

    def __init__(
        self,
        wire: ParkingPort,
        takers: dict[int, Callable[[Event], None]],
        carrier: Carrier,
        *,
        after: Callable[[Exchange, Stage, Snapshot], Result],
        send: Callable[[Exchange], Answer | None],
    ) -> None:
        """takers: where the batch finds who takes an event, by exchange.

        after: runs the stages behind one, in the snapshot of now, up to send: `proxy.request.path.Path.after`; send:
        sends the request that the wire has kept, to where the stages have said.
        """
        self._wire = wire
        self._takers = takers
        self._carrier = carrier
        self._after = after
        self._send = send
        self._parked: dict[int, _Parked] = {}

    def __len__(self) -> int:
        """How many wait."""
        return len(self._parked)

    def __contains__(self, exchange: int) -> bool:
        """Whether an exchange is parked, by its id."""
        entry = self._parked.get(exchange)
        return entry is not None and not entry.is_running

    def __repr__(self) -> str:
        """How many on one line."""
        return f"<Parking {len(self._parked)}>"

    # ---- from stages ----

    def park(
        self,
        exchange: Exchange,
        stage: Stage,
        *,
        on_gone: Told | None = None,
        on_expired: Told | None = None,
        wait_ms: int | None = None,
        is_kept: bool = False,
    ) -> Exchange | None:
        """Park an exchange whose deadline is set; None: its request cannot be kept, so it is to be decided now.

        None is for requests that are carried by a task, that are longer than ``retries.buffer_bytes``, or for which
        there is no room by ``retries.buffer_total_bytes``. The copy that is returned is the same one until the
        exchange is over.

        stage: the one that parks; `resume` runs those behind it. on_gone: the exchange is over, by nobody's doing
        here. on_expired: ``wait_ms`` or the deadline has passed; it may decide about the exchange, which is still
        parked. After the deadline, it is answered 504 if that did not. is_kept: the wire has the request already, and
        ``exchange`` can be read beyond the batch.
        """
        entry = self._parked.get(exchange.id)
        if entry is None:
            kept = exchange if is_kept else self._keep(exchange)
            if kept is None:
                return None
            entry = self._parked[exchange.id] = _Parked(kept)
            self._takers[exchange.id] = self._take
        elif not entry.is_running:
            raise NotParkedError(f"{exchange!r} is parked already")
        entry.stage, entry.on_gone, entry.on_expired = stage, on_gone, on_expired
        entry.number += 1
        entry.is_running = False
        self._wire.wait(exchange.id, UNTIL_DEADLINE_MS if wait_ms is None else wait_ms)
        return entry.exchange

    def _keep(self, exchange: Exchange) -> Exchange | None:
        if exchange.flags & NEEDS_TASK:
            return None
        caller = exchange.caller
        identity = NO_IDENTITY if caller is None else caller.wire
        if self._wire.keep(exchange.id, exchange.deadline_ms, identity) != WireResult.OK:
            return None
        kept = exchange.copy()
        kept.fields = HeldFields(self._wire, exchange.id)
        return kept

    # ---- from whoever has parked ----

    def answer(self, exchange: int, answer: Answer) -> None:
        """Answer with a reason. Raises `NotParkedError`."""
        self._pop(exchange)
        self._carrier.answer(exchange, answer)
        self._wire.flush_soon()

    def reply(self, exchange: int, reply: Reply) -> None:
        """Answer without one. Raises `NotParkedError`."""
        self._pop(exchange)
        self._wire.answer(exchange, reply.status, reply.lines, reply.body, False)
        self._wire.flush_soon()

    def pass_on(self, exchange: int, payload: Any) -> bool:
        """Answer with a RESPONSE's payload, as a service would. Raises `NotParkedError`.

        False: it cannot become an HTTP answer, and BAD_RESPONSE was answered.
        """
        self._pop(exchange)
        result = self._wire.pass_on(exchange, payload)
        if result == WireResult.INVALID:
            self._carrier.answer(exchange, Answer(BAD_RESPONSE))
        self._wire.flush_soon()
        return result != WireResult.INVALID

    def resume(self, exchange: int | Exchange) -> None:
        """Run the stages behind the one that has parked, by the snapshot of now, and send. Raises `NotParkedError`.

        They may park it again. What they raise is answered as a fault of ours.
        """
        entry = self._entry(exchange if isinstance(exchange, int) else exchange.id)
        entry.is_running = True
        number = entry.number
        try:
            result = Answer(DEADLINE) if entry.is_late else self._run(entry)
        except Exception as error:
            self._forget(entry)
            self._carrier.fail(entry.exchange, error)
        else:
            if entry.number == number:  # not parked again
                self._forget(entry)
                self._end(entry.exchange, result)
        self._wire.flush_soon()

    def forget(self, exchange: int) -> Exchange:
        """Let go of an exchange that goes on in other hands, as it is. Raises `NotParkedError`."""
        return self._pop(exchange).exchange

    def _run(self, entry: _Parked) -> Result:
        result = self._after(entry.exchange, entry.stage, self._carrier.snapshot)
        return self._send(entry.exchange) if result is None else result

    def _end(self, exchange: Exchange, result: Result) -> None:
        if isinstance(result, Reply):
            self._wire.answer(exchange.id, result.status, result.lines, result.body, False)
        elif isinstance(result, Answer):
            self._carrier.answer(exchange.id, result)
        elif isinstance(result, Await | Lane):  # nobody waits for keys twice, and what a task carries is not parked
            self._carrier.answer(exchange.id, Answer(INTERNAL))

    def give_up_all(self) -> None:
        """Answer every one of them: the time to drain is over."""
        for entry in [entry for entry in self._parked.values() if not entry.is_running]:
            if self._parked.get(entry.exchange.id) is entry:  # a neighbour's on_gone may have decided about it
                self._forget(entry)
                self._carrier.answer(entry.exchange.id, Answer(DRAINING))
                self._tell_gone(entry)
        self._wire.flush_soon()

    # ---- from the batch ----

    def _take(self, event: Event) -> None:
        """Take CLIENT_GONE or EXPIRED; nothing else happens to an exchange that is with nobody."""
        entry = self._parked[event[0]]
        if event[2] == EventKind.CLIENT_GONE:
            self._forget(entry)
            self._carrier.client_gone(event[0])
            self._tell_gone(entry)
        elif event[2] == EventKind.EXPIRED:
            self._expired(entry, is_late=not event[4] & EXPIRED_EARLY)
        else:
            self._forget(entry)
            raise NotParkedError(f"{event!r} is about {entry!r}, which no service has")

    def _expired(self, entry: _Parked, *, is_late: bool) -> None:
        number = entry.number
        entry.is_late = is_late
        try:
            if entry.on_expired is not None:
                entry.on_expired(entry.exchange)
        except Exception:
            self._drop(entry)  # whoever reads the batch answers it
            raise
        if is_late and entry.number == number and self._parked.get(entry.exchange.id) is entry:
            self._forget(entry)
            self._carrier.answer(entry.exchange.id, Answer(DEADLINE))

    def _tell_gone(self, entry: _Parked) -> None:
        if entry.on_gone is not None:
            entry.on_gone(entry.exchange)

    # ---- what is held ----

    def _entry(self, exchange: int) -> _Parked:
        entry = self._parked.get(exchange)
        if entry is None or entry.is_running:
            state = "has been answered, or is gone" if entry is None else "is being carried on"
            raise NotParkedError(f"exchange {exchange:#x} is not parked: it {state}")
        return entry

    def _pop(self, exchange: int) -> _Parked:
        entry = self._entry(exchange)
        self._forget(entry)
        return entry

    def _forget(self, entry: _Parked) -> None:
        del self._parked[entry.exchange.id], self._takers[entry.exchange.id]

    def _drop(self, entry: _Parked) -> None:
        if self._parked.get(entry.exchange.id) is entry:
            self._forget(entry)
