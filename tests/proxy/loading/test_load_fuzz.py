"""Whatever a server sends, who loads it says in a line what is wrong, or goes on."""

from hypothesis import given
from hypothesis import strategies as st
from peer_support import ASKED, HELLO, Service

from frames.codec import encode_frame
from frames.frame import FrameError, FrameType
from proxy.loading.peer import PeerError, ServicePeer
from proxy.loading.response import ResponseError, ResponseReader

PAYLOADS = st.binary(max_size=64)
FRAMES = st.tuples(st.sampled_from(FrameType), st.integers(0, 1), st.integers(0, 3), PAYLOADS)
HEADS = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.0 204 No\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"hello",
    ]
)


def feed(peer: ServicePeer, data: bytes) -> None:
    said = ""
    try:
        peer.receive(data)
    except PeerError as error:
        said = str(error)
    assert "\n" not in said


@given(st.lists(PAYLOADS, max_size=8))
def test_bytes_that_are_no_frames(pieces: list[bytes]) -> None:
    peer = ServicePeer(dialled=True)
    for piece in pieces:
        feed(peer, piece)


@given(st.lists(FRAMES, max_size=8), st.booleans())
def test_frames_in_any_order(frames: list[tuple[FrameType, int, int, bytes]], keeps: bool) -> None:
    service = Service(ServicePeer(dialled=False, keeps_answers=keeps), HELLO)
    begun = {service.peer.begin(ASKED), service.peer.begin(ASKED)}
    for kind, flags, exchange, payload in frames:
        try:
            data = encode_frame(kind, flags, exchange, payload)
        except FrameError:
            continue
        feed(service.peer, data)
    assert begun == {1, 2}
    assert service.peer.in_flight <= 2


@given(st.lists(HEADS | PAYLOADS, max_size=10))
def test_answers_in_any_order(pieces: list[bytes]) -> None:
    reader, said = ResponseReader(), ""
    try:
        for piece in pieces:
            ended = reader.feed(piece)
            assert ended is None or 200 <= ended.status <= 999
        reader.end()
    except ResponseError as error:
        said = str(error)
    assert "\n" not in said
