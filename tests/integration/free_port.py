"""A port for a server that has to be told one, and cannot be asked which it got."""

import random
import socket

OUR_PORTS = range(15_000, 32_000)
"""Below what the kernel gives to connections that choose no port (from 32,768): one of those may be taken, by another
connection of the test itself, between the moment it was found free and the moment the server listens."""


def free_port() -> int:
    """A port of the loopback address that nothing listens on. Drawn, since other test runs draw, too."""
    while True:
        port = random.choice(OUR_PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
