"""permessage-deflate (RFC 7692), as wsproto has it, but for one thing: a ping between the fragments of a message."""

from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

__all__ = ["Deflate"]


class Deflate(PerMessageDeflate):
    """Remembers over a control frame whether the message around it is compressed; wsproto 1.3 forgets it."""

    _around: bool | None = None

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        """Take a frame's head."""
        if opcode.iscontrol():
            self._around = self._inbound_compressed
        return super().frame_inbound_header(proto, opcode, rsv, payload_length)

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:
        """Take a frame's end."""
        is_control = not self._inbound_is_compressible
        rest = super().frame_inbound_complete(proto, fin)
        if is_control:
            self._inbound_compressed = self._around
        return rest
