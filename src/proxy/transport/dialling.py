"""How a connection to a dialled service is opened."""

import socket

from penstock import dial
from proxy.pooled import TargetKey


async def connect(key: TargetKey) -> socket.socket:
    """Open a connection that the wire can take over. Raises OSError."""
    return await dial.connect(key.host, key.port)
