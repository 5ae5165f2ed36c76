"""A service at the other end of a `ServicePeer`, by hand. No socket is between the two sides."""

from frames.codec import encode_frame, encode_request, scan
from frames.frame import FrameType, Method
from frames.greeting import EndpointOffer, Hello
from frames.session import Role, Session
from proxy.loading.peer import Answer, ServicePeer

HELLO = Hello(
    protocol=1,
    features=("streams",),
    token="secret",  # noqa: S106
    service="billing",
    version="1.4.0",
    instance="b-1",
    heartbeat_ms=5_000,
    credit_bytes=65_536,
    endpoints=(EndpointOffer(id=3, method="GET", path="/invoices/{id}"),),
)
ASKED = encode_request(1_000, 3, Method.GET, b"/invoices/42")


class Service:
    """The other side, by hand."""

    def __init__(self, peer: ServicePeer, hello: Hello = HELLO) -> None:
        self.peer = peer
        self.session = Session(Role.SERVICE, dialled=False)
        self.answers: list[Answer] = []
        self.send(FrameType.HELLO, self.session.hello(hello))

    def send(self, kind: FrameType, payload: bytes = b"", flags: int = 0, exchange: int = 0) -> None:
        self.answers += self.peer.receive(encode_frame(kind, flags, exchange, payload))

    def sent(self) -> list[tuple[FrameType, int]]:
        """What came from the peer, by type and exchange."""
        return [(FrameType(frame.type), frame.exchange) for frame in scan(self.peer.take_output()).frames]
