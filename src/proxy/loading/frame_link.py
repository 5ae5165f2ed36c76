"""A connection that carries frames to a service which is dialled: many requests at once, as from a gateway."""

from typing import Final

from frames.frame import CancelReason

from .link import Done
from .peer import HEARTBEAT_MS, Answer, PeerError, ServicePeer
from .request import Request, RequestError
from .sockets import Connection, Place, reason_of

_HEARTBEAT_US: Final = HEARTBEAT_MS * 1_000
_BROKEN: Final = "the connection ended before the answer"


class FrameLink:
    """One connection to a service."""

    def __init__(self, place: Place, request: Request, in_flight_max: int) -> None:
        """Begin to dial. in_flight_max: of requests on it at once. Raises OSError."""
        self.is_lost = False
        self.why_lost = ""
        self._request = request
        self._in_flight_max = in_flight_max
        self._peer = ServicePeer(dialled=True)
        self._payload = b""
        self._begun: dict[int, tuple[int, int]] = {}
        self._beaten_us = 0
        self._connection = Connection(place)

    @property
    def room(self) -> int:
        """What there is up to the bound, once the service has said what it offers."""
        if self.is_lost or not self._payload or not self._peer.is_open:
            return 0
        return self._in_flight_max - len(self._begun)

    @property
    def wants_write(self) -> bool:
        """Whether something waits until it can be written."""
        return self._connection.wants_write

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._connection.fileno()

    def begin(self, due_us: int, now_us: int) -> None:
        """Write a request; `flush` sends it with others."""
        self._begun[self._peer.begin(self._payload)] = (due_us, now_us)

    def flush(self) -> None:
        """Send what was written."""
        output = self._peer.take_output()
        if output and not self.is_lost:
            try:
                self._connection.send(output)
            except OSError as error:  # is told when the descriptor becomes ready, at once
                self.why_lost = reason_of(error)

    def ready(self) -> list[Done]:
        """Read and write what can be; return the requests that have ended."""
        try:
            if self._connection.wants_write or not self._connection.is_open:
                self._connection.advance()
            return self._read() if self._connection.is_open else []
        except OSError as error:
            return self._lose(reason_of(error))
        except (PeerError, RequestError) as error:
            self.flush()
            return self._lose(str(error))

    def tick(self, now_us: int, begun_before_us: int) -> list[Done]:
        """Say that this side is there, and give up what was due before that moment."""
        if now_us - self._beaten_us >= _HEARTBEAT_US:
            self._beaten_us = now_us
            self._peer.heartbeat()
        done = []
        for exchange, (due_us, sent_us) in list(self._begun.items()):
            if due_us >= begun_before_us:
                break  # they are in the order in which they were due
            self._peer.cancel(exchange, CancelReason.DEADLINE)
            del self._begun[exchange]
            done.append(Done(due_us, sent_us, 0, "timeout", 0))
        self.flush()
        return done

    def close(self) -> list[Done]:
        """Say goodbye, and close it."""
        if not self.is_lost:
            self._peer.leave()
            self.flush()
        return self._lose("")

    def _read(self) -> list[Done]:
        done: list[Done] = []
        while (data := self._connection.receive()) is not None:
            if not data:
                why = "" if self._peer.is_leaving and not self._begun else _BROKEN
                return done + self._lose(why)
            done += [self._done(answer) for answer in self._peer.receive(data) if answer.exchange in self._begun]
            if not self._payload and self._peer.endpoints:
                self._payload = self._request.payload(self._peer)
        self.flush()
        return done + self._lose("") if self._peer.is_leaving and not self._begun else done

    def _done(self, answer: Answer) -> Done:
        due_us, sent_us = self._begun.pop(answer.exchange)
        return Done(due_us, sent_us, 0 if answer.why else answer.status, answer.why, answer.body_bytes)

    def _lose(self, why: str) -> list[Done]:
        self.is_lost, self.why_lost = True, self.why_lost or why
        self._connection.close()
        begun, self._begun = self._begun, {}
        return [Done(due, sent, 0, self.why_lost or "stopped", 0) for due, sent in begun.values()]
