"""TLS on a connection of the wire's: the wire has one end of a pair of sockets, a task carries bytes between the other
end and TLS.

    wire ── socket ══ socket ── carry ── SSLStream ── network

The wire moves bytes in batches and knows nothing of TLS between services; who speaks it pays for one more copy on each
side, and for a task. A full buffer of the pair makes the other side wait, so nothing is held without a bound. When one
direction has ended, the connection has: frames have no use for half of one.
"""

import socket
import ssl

import trio

__all__ = ["carry", "open_tunnel", "tls_reason"]

CHUNK_BYTES = 65_536
FAREWELL_S = 1.0
"""For what is still to be sent when the wire has closed its end, and for close_notify."""

SecuredStream = trio.SSLStream[trio.SocketStream]


def open_tunnel(nursery: trio.Nursery, secured: SecuredStream) -> socket.socket:
    """Return the end for the wire; a task in the nursery carries what goes through, until either side closes.

    The handshake is to be done before. Raises OSError when there is no pair of sockets to be had.
    """
    wires, ours = socket.socketpair()
    nursery.start_soon(carry, secured, trio.SocketStream(trio.socket.from_stdlib_socket(ours)))
    return wires


async def carry(secured: SecuredStream, plain: trio.SocketStream) -> None:
    """Carry bytes both ways until one side closes, or it is cancelled; then both are closed."""
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_receive, secured, plain, nursery.cancel_scope)
            await _send(plain, secured)
            nursery.cancel_scope.cancel()
    finally:
        plain.socket.close()
        secured.transport_stream.socket.close()  # without waiting, also where it is cancelled


async def _receive(secured: SecuredStream, plain: trio.SocketStream, scope: trio.CancelScope) -> None:
    """Carry what comes from the network, until its end."""
    try:
        while data := await secured.receive_some(CHUNK_BYTES):
            await plain.send_all(data)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass  # an end without close_notify is one, too: a frame that is not whole is never taken for one
    scope.cancel()


async def _send(plain: trio.SocketStream, secured: SecuredStream) -> None:
    """Carry what the wire sends, until it closes its end; then say so."""
    try:
        while data := await plain.receive_some(CHUNK_BYTES):
            await secured.send_all(data)
        with trio.move_on_after(FAREWELL_S):
            await secured.aclose()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


def tls_reason(error: trio.BrokenResourceError) -> str:
    """Return why a handshake has failed, on one line, for people."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"TLS: its certificate is not believed: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS: {(cause.reason or 'the handshake failed').replace('_', ' ').lower()}"
    return "TLS: the connection was closed in the handshake"
