"""TLS in the batch: decrypts what the wire's events bring, and encrypts the answers before its flush.

    wire.step()      TLS_INPUT: ciphertext of one connection
      received       decrypts it and feeds it back; the requests that it makes are then the batch's
      (decisions)
      send_pending   encrypts what is to be answered
    wire.flush()

This is on the way of every request over TLS, so the usual case is kept apart from all others: one record in and one
record out, no exception, no look at anything but one session.
"""

import logging
import ssl
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

from penstock.telemetry.occasional import Occasional

from .causes import WORDS, Cause, cause_of, detail_of
from .session import RECORD_BYTES, TlsSession, Wrap

_log = logging.getLogger("penstock.tls")

Event = tuple[int, int, int, int, int, int, int, int, int, int, int]
IS_FIRST = 1
_HANDSHAKE = 22  # the type of the first record (RFC 8446, section 5.1)

_SPEAKS_TLS = b"This port speaks TLS: ask with https in place of http.\n"
PLAIN_HTTP_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncache-control: no-store\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (len(_SPEAKS_TLS), _SPEAKS_TLS)
)


class Certificates(Protocol):
    """What begins connections, and says which clients are let in (`ServerCertificates`)."""

    @property
    def wrap(self) -> Wrap:
        """Return the server's side of a new connection."""
        ...

    def refused_client(self, secured: ssl.SSLObject, /) -> tuple[str, ...] | None:
        """Return the names of a client that is not let in."""
        ...


class Port(Protocol):
    """The wire's side (`frames.tls_port.TlsPort`)."""

    room: bytearray
    send: Callable[[int, bytes, int, int], int]
    end: Callable[[int], int]

    @property
    def plain(self) -> "Bytes":
        """Plaintext of the answers."""
        ...

    def feed(self, connection: int, count: int, /) -> int:
        """Take the first bytes of the room as received."""
        ...

    def outputs(self) -> Iterator[tuple[int, int, int, int]] | None:
        """Return the answers that wait."""
        ...


class Bytes(Protocol):
    """Memory of the wire's."""

    def __getitem__(self, part: slice, /) -> bytes:
        """Copy a part out."""
        ...


class TlsEdge:
    """The sessions of all clients that speak TLS.

    failures: how many connections ended for each `Cause`; handshakes, resumed: how many were done, and how many of
    these without a key exchange of their own.
    """

    def __init__(self, port: Port, arena: Bytes, certificates: Certificates) -> None:
        """arena: where the events' ciphertext lies."""
        self._certificates = certificates
        self._sessions: dict[int, TlsSession] = {}
        self._port = port
        self._arena = arena
        self._occasional = Occasional()
        self.failures: Counter[Cause] = Counter()
        self.handshakes = 0
        self.resumed = 0
        # Bound once: these are called for every request.
        self._room, self._feed, self._send = port.room, port.feed, port.send
        self._outputs, self._plain = port.outputs, port.plain

    @property
    def sessions_now(self) -> int:
        """How many connections there are of which anything has come."""
        return len(self._sessions)

    def session(self, connection: int) -> TlsSession | None:
        """Return the session of a connection that is handed over; None when the client speaks no TLS."""
        return self._sessions.get(connection)

    # ---- what comes ----

    def received(self, event: Event) -> None:
        """Take in ciphertext: a TLS_INPUT event."""
        connection, at = event[1], event[5]
        session = self._sessions.get(connection)
        ciphertext = self._arena[at : at + event[6]]
        if session is None:
            session = self._begin(connection, event[4], ciphertext)
            if session is None:
                return
        session.put(ciphertext)
        try:
            if not session.is_secured and not self._shake(connection, session):
                return
            while count := session.read_into(RECORD_BYTES, self._room):
                self._feed(connection, count)
                if not session.incoming.pending:
                    return
        except ssl.SSLWantReadError:
            self._send_rest(connection, session)
        except ssl.SSLError as error:
            self._send_rest(connection, session)
            self._fail(connection, cause_of(error), detail_of(error))
        else:
            self._bid_farewell(connection, session)

    def closed(self, event: Event) -> None:
        """Take in that a connection is gone: a TLS_CLOSED event."""
        session = self._sessions.pop(event[1], None)
        if event[3]:
            self._count(Cause.TIMEOUT)
        elif session is not None and not session.is_secured:
            self._count(Cause.ENDED)

    def _begin(self, connection: int, flags: int, ciphertext: bytes) -> TlsSession | None:
        if not flags & IS_FIRST:
            return None  # it was ended, and this came before that was known
        if ciphertext[0] != _HANDSHAKE:
            self._refuse_plain(connection, ciphertext)
            return None
        session = self._sessions[connection] = TlsSession(self._certificates.wrap)
        return session

    def _refuse_plain(self, connection: int, text: bytes) -> None:
        if text[:1].isalpha():
            self._send(connection, PLAIN_HTTP_ANSWER, len(PLAIN_HTTP_ANSWER), 0)
            self._fail(connection, Cause.PLAIN_HTTP)
        else:
            self._fail(connection, Cause.NOT_TLS)

    def _shake(self, connection: int, session: TlsSession) -> bool:
        is_over = session.shake()
        if not is_over:
            self._send_rest(connection, session)
            return False
        self.handshakes += 1
        self.resumed += bool(session.object.session_reused)
        refused = self._certificates.refused_client(session.object)
        if refused is not None:
            farewell = session.close_notify()
            self._send(connection, farewell, len(farewell), 0)
            self._fail(connection, Cause.CLIENT_NAME, ", ".join(refused) or "no name")
            return False
        self._send_rest(connection, session)  # tickets, before anything that the client asks for now
        self._feed(connection, 0)
        return session.incoming.pending > 0

    def _send_rest(self, connection: int, session: TlsSession) -> None:
        """Send what is no answer: of the handshake, an alert, another key."""
        ciphertext = session.take()
        if ciphertext:
            self._send(connection, ciphertext, len(ciphertext), 0)

    def _bid_farewell(self, connection: int, session: TlsSession) -> None:
        """The client has said that it sends no more, and is answered in kind."""
        farewell = session.close_notify()
        self._send(connection, farewell, len(farewell), 0)
        self._sessions.pop(connection, None)
        self._port.end(connection)

    # ---- what goes ----

    def send_pending(self) -> None:
        """Encrypt and send all answers that wait."""
        sessions, plain, send = self._sessions, self._plain, self._send
        while outputs := self._outputs():
            for connection, at, count, closes in outputs:
                session = sessions.get(connection)
                if session is None:
                    continue  # it has ended since
                try:
                    if count <= RECORD_BYTES and not closes:
                        session.write(plain[at : at + count])
                        ciphertext = session.take()
                    else:
                        ciphertext = session.encrypt(plain[at : at + count])
                        if closes:
                            ciphertext += session.close_notify()
                except ssl.SSLError as error:
                    self._fail(connection, cause_of(error), detail_of(error))
                else:
                    send(connection, ciphertext, len(ciphertext), 1)

    def flushing(self, flush: Callable[[], None]) -> Callable[[], None]:
        """Return a flush that encrypts first, for whoever flushes the wire."""

        def encrypt_and_flush() -> None:
            self.send_pending()
            flush()

        return encrypt_and_flush

    # ---- what fails ----

    def _fail(self, connection: int, cause: Cause, detail: str = "") -> None:
        self._sessions.pop(connection, None)
        self._port.end(connection)
        self._count(cause, detail)

    def _count(self, cause: Cause, detail: str = "") -> None:
        self.failures[cause] += 1
        held_back = self._occasional.held_back(cause)
        if held_back is not None:
            _log.info("%s%s (%d more)", WORDS[cause], f": {detail}" if detail else "", held_back)
