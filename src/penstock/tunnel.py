"""TLS on a connection of the wire's: the wire has one end of a pair of sockets, a task carries bytes between the other
end and TLS.

    wire ── socket ══ socket ── carry ── SSLStream ── network

The wire moves bytes in batches and knows nothing of TLS between services; who speaks it pays for one more copy on each
side, and for a task. A full buffer of the pair makes the other side wait, so nothing is held without a bound. When one
direction has ended, the connection has: frames have no use for half of one.
"""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import trio

from penstock.errors import GatewayError

__all__ = ["carry", "listening_context", "open_tunnel", "secure"]

CHUNK_BYTES = 65_536
FAREWELL_S = 1.0
"""For what is still to be sent when the wire has closed its end, and for close_notify."""

SecuredStream = trio.SSLStream[trio.SocketStream]
Stir = Callable[[], None]


def _nothing() -> None:
    """Nobody lingers."""


def open_tunnel(nursery: trio.Nursery, secured: SecuredStream, stir: Stir = _nothing) -> socket.socket:
    """Return the end for the wire; a task in the nursery carries what goes through, until either side closes.

    stir: called whenever something has come, since the wire may be about to linger while a task has work for it. The
    handshake is to be done before. Raises OSError when there is no pair of sockets to be had.
    """
    wires, ours = socket.socketpair()
    nursery.start_soon(carry, secured, trio.SocketStream(trio.socket.from_stdlib_socket(ours)), stir)
    return wires


async def carry(secured: SecuredStream, plain: trio.SocketStream, stir: Stir = _nothing) -> None:
    """Carry bytes both ways until one side closes, or it is cancelled; then both are closed."""
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_receive, secured, plain, stir, nursery.cancel_scope)
            await _send(plain, secured, stir)
            nursery.cancel_scope.cancel()
    finally:
        plain.socket.close()
        secured.transport_stream.socket.close()  # without waiting, also where it is cancelled


async def _receive(secured: SecuredStream, plain: trio.SocketStream, stir: Stir, scope: trio.CancelScope) -> None:
    """Carry what comes from the network, until its end."""
    try:
        while data := await secured.receive_some(CHUNK_BYTES):
            stir()
            await plain.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # an end without close_notify is one, too: a frame that is not whole is never taken for one
    scope.cancel()


async def _send(plain: trio.SocketStream, secured: SecuredStream, stir: Stir) -> None:
    """Carry what the wire sends, until it closes its end; then say so."""
    try:
        while data := await plain.receive_some(CHUNK_BYTES):
            stir()
            await secured.send_all(data)
        with trio.move_on_after(FAREWELL_S):
            await secured.aclose()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


async def secure(
    nursery: trio.Nursery,
    sock: socket.socket,
    context: ssl.SSLContext,
    *,
    server_name: str | None = None,
    stir: Stir = _nothing,
) -> socket.socket:
    """Speak TLS on a connected socket, and return one for the wire. Takes the socket over, whatever comes of it.

    nursery: where what goes through is carried; server_name: who must be at the other end; None: that one has dialled;
    stir: as in `open_tunnel`.
    Raises OSError when there is no agreement.
    """
    stream = trio.SocketStream(trio.socket.from_stdlib_socket(sock))
    try:
        secured = trio.SSLStream(stream, context, server_hostname=server_name, server_side=server_name is None)
        await secured.do_handshake()
        return open_tunnel(nursery, secured, stir)
    except trio.BrokenResourceError as error:
        stream.socket.close()
        raise OSError(tls_reason(error)) from None
    except BaseException:
        stream.socket.close()
        raise


def listening_context(certificate: Path, key: Path, authorities: Path | None) -> ssl.SSLContext:
    """Return what a service listens with: TLS 1.2 and 1.3. authorities: of whom each gateway must show a certificate.

    Raises GatewayError when the files are none that can be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    named = f"PENSTOCK_SERVICE_LISTEN_CERTIFICATE={certificate} and PENSTOCK_SERVICE_LISTEN_KEY={key}"
    try:
        context.load_cert_chain(certificate, key, password=lambda: b"")  # never asks a terminal
        if authorities is not None:
            named = f"PENSTOCK_SERVICE_LISTEN_CA={authorities}"
            context.load_verify_locations(authorities)
            context.verify_mode = ssl.CERT_REQUIRED
    except (ssl.SSLError, OSError) as error:
        is_tls = isinstance(error, ssl.SSLError)
        why = "they are not what they must be" if is_tls else error.strerror or str(error)
        raise GatewayError(
            f"cannot listen by TLS with {named}: {why}; name PEM files: a certificate, its key without a passphrase,"
            " and the authorities that sign gateways"
        ) from None
    return context


def tls_reason(error: trio.BrokenResourceError) -> str:
    """Return why a handshake has failed, on one line, for people."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"TLS: its certificate is not believed: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS: {(cause.reason or 'the handshake failed').replace('_', ' ').lower()}"
    return "TLS: the connection was closed in the handshake"
