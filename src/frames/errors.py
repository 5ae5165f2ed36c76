"""What a peer did against docs/protocol.md, and what our own side may not do.

``ProtocolError`` carries the code that goes out in FAULT; the text goes with it and into the log, so it says what was
wrong and where, and holds no secret.
"""

from frames.frame import FaultCode


class ProtocolError(Exception):
    """The peer broke the protocol: FAULT with this code and message is to be sent, then the connection closes.

    Attributes:
        fault_code: goes out in FAULT.
        message: one line: what was wrong, and where; at most a few hundred characters.

    """

    def __init__(self, fault_code: FaultCode, message: str) -> None:
        """Keep the code and the message; ``str()`` of the error is the message."""
        super().__init__(message)
        self.fault_code = fault_code
        self.message = message


class GreetingError(ProtocolError):
    """A HELLO or WELCOME that breaks a rule of section 5, or a HELLO that is not accepted."""


class SessionUseError(RuntimeError):
    """Our own code asked for a frame that the state of the session does not allow: a bug here, not at the peer."""
