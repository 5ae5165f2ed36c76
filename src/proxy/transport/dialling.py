"""How a connection to a dialled service is opened, by TLS where its key has an identity."""

import socket
from typing import TYPE_CHECKING

import trio

from penstock import dial
from proxy.pooled import TargetKey

if TYPE_CHECKING:
    from proxy.transport.identity import DialIdentity


class Dialler:
    """Opens connections. ``identity``: by which it speaks TLS from now on; None where it speaks none."""

    def __init__(self) -> None:
        """Begin without TLS."""
        self.identity: DialIdentity | None = None

    async def connect(self, key: TargetKey, nursery: trio.Nursery) -> socket.socket:
        """Open a connection that the wire can take over. Raises OSError.

        nursery: where a task goes on carrying what is secured.
        """
        plain = await dial.connect(key.host, key.port)
        if not key.identity:
            return plain
        from penstock.tunnel import open_tunnel, tls_reason

        identity = self.identity
        if identity is None or identity.label != key.identity:  # it has changed since this dial was decided upon
            plain.close()
            raise OSError("its TLS identity has changed")
        stream = trio.SocketStream(trio.socket.from_stdlib_socket(plain))
        secured = trio.SSLStream(stream, identity.context, server_hostname=identity.server_name or key.host)
        try:
            await secured.do_handshake()
            return open_tunnel(nursery, secured)
        except trio.BrokenResourceError as error:
            stream.socket.close()
            raise OSError(tls_reason(error)) from None
        except BaseException:
            stream.socket.close()
            raise
