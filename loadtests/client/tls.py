"""The base of users of the edge over TLS: a connection that is kept, whose certificate is checked."""

import ssl
from functools import lru_cache

from loadtests.order import Address

from .asked import OK, WrongAnswerError, words_of
from .asking import LoadUser
from .plain import PlainConnection
from .target import Target, TargetError, current


class TlsUser(LoadUser):
    """A client that keeps its connection, and waits for one answer after the other; each handshake is told, too."""

    abstract = True
    goes_to = "tls_edge"
    connection: PlainConnection | None = None

    def ask(self, method: str, target: str, *, name: str = "", body: bytes = b"", expect: tuple[int, ...] = OK) -> None:
        """Send a request and wait for its answer. name: left out, it is method and target; expect: no errors."""
        connection = self.connected()
        if connection is None:
            return
        is_kept = False
        try:
            with self.asking(method, name or f"{method} {target}", expect=expect) as asked:
                connection.begin(method, target, self.headers(asked.correlation_id), length=len(body))
                if body:
                    connection.send(body)
                connection.end()
                status, headers = connection.answer()
                asked.body_bytes = sum(len(piece) for piece in connection.pieces())
                asked.answered(status, headers)
                is_kept = connection.next_request()
        finally:
            if not is_kept:
                self.disconnect()

    def connected(self) -> PlainConnection | None:
        """Return the connection, which is dialled where there is none; None where that failed, which was told."""
        if self.connection is not None and self.connection.has_ended():
            self.disconnect()
        if self.connection is None:
            with self.asking("TLS", "TLS handshake", counted_at_gateway=False) as asked:
                self.connection = dial(current())
                asked.answered(200, {})
        return self.connection

    def disconnect(self) -> None:
        """Close the connection; the next request has another one."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def on_stop(self) -> None:
        """Close the connection."""
        self.disconnect()


def dial(target: Target) -> PlainConnection:
    """Connect to where the edge speaks TLS, and check who that is. Raises OSError and `WrongAnswerError`."""
    if target.tls_edge is None:
        raise WrongAnswerError("nobody said where the edge speaks TLS (LOADTESTS_TLS_EDGE=host:port)")
    return PlainConnection(target.tls_edge, tls=_context(target.authority))


def check(target: Target) -> None:
    """See that a user can get there, before the run begins. Raises `TargetError`."""
    where = target.tls_edge
    try:
        dial(target).close()
    except ssl.SSLError as error:
        raise TargetError(f"{where}: {words_of(error)}; {_fix(error, where)}") from None
    except FileNotFoundError:
        raise TargetError(f"there is no file {target.authority} of authorities; give one of PEM (--ca)") from None
    except (OSError, WrongAnswerError) as error:
        raise TargetError(f"{where}: {words_of(error)}; is that edge.tls_listen, and does it run?") from None


def _fix(error: ssl.SSLError, where: Address | None) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return "give the authority that signed its certificate (--ca), and a name that stands in it"
    return f"is {where} edge.tls_listen of the gateway?"


@lru_cache(maxsize=4)
def _context(authority: str) -> ssl.SSLContext:
    """Return what connections are made by. authority: a file; empty: those that this machine trusts."""
    return ssl.create_default_context(cafile=authority or None)
