"""How a connection to a dialled service is opened, by TLS where its key has an identity."""

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from penstock import dial
from proxy.pooled import TargetKey

if TYPE_CHECKING:
    from proxy.transport.identity import DialIdentity


class Dialler:
    """Opens connections. ``identity``: by which it speaks TLS from now on; None where it speaks none."""

    def __init__(self, stir: Callable[[], None]) -> None:
        """Begin without TLS. stir: has the wire not linger, since tasks carry what is secured."""
        self._stir = stir
        self.identity: DialIdentity | None = None

    async def connect(self, key: TargetKey, nursery: trio.Nursery) -> socket.socket:
        """Open a connection that the wire can take over. Raises OSError.

        nursery: where a task goes on carrying what is secured.
        """
        plain = await dial.connect(key.host, key.port)
        if not key.identity:
            return plain
        from penstock.tunnel import secure

        identity = self.identity
        if identity is None or identity.label != key.identity:  # it has changed since this dial was decided upon
            plain.close()
            raise OSError("its TLS identity has changed")
        return await secure(
            nursery, plain, identity.context, server_name=identity.server_name or key.host, stir=self._stir
        )
