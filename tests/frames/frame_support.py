"""What the tests of the codec share: a scan's findings as comparable values, and streams to scan."""

from frame_twin import Found, Frame
from hypothesis import strategies as st

from frames import codec
from frames.codec import Scan
from frames.frame import HealthStatus

FieldTuple = tuple[int, bytes, bytes]


def as_frames(found: Scan) -> list[Frame]:
    """Return the frames of a C scan in the form of the twin's."""
    return [
        Frame(
            *(view.type, view.flags, view.exchange, found.payload(view)),
            *(view.remaining_ms, view.endpoint, view.method, view.attempt, view.status),
            *(found.target(view), found.fields(view), found.body(view)),
        )
        for view in found.frames
    ]


def as_found(found: Scan) -> Found:
    """Return a C scan in the form of the twin's."""
    return Found(as_frames(found), found.consumed, found.needed, found.error.name)


def scan_pieces(pieces: list[bytes]) -> Found:
    """Feed pieces one by one, as a connection does: what is not consumed is kept, and an error ends it."""
    frames: list[Frame] = []
    consumed = 0
    held = b""
    found = codec.scan(held)
    for piece in pieces:
        held += piece
        found = codec.scan(held)
        frames += as_frames(found)
        consumed += found.consumed
        held = held[found.consumed :]
        if found.error:
            break
    return Found(frames, consumed, found.needed, found.error.name)


names = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12).map(lambda text: f"x{text}".encode())
values = st.binary(max_size=24).map(
    lambda value: bytes(byte | 0x20 if byte < 0x20 or byte == 0x7F else byte for byte in value)
)
values = values.map(lambda value: value.replace(b"\x7f", b"~"))
named_fields = st.tuples(st.just(0), names, values)


@st.composite
def field_lists(draw: st.DrawFn) -> list[FieldTuple]:
    """Fields that may be sent: each known context field at most once, and any named ones."""
    context: list[FieldTuple] = [
        (field_id, b"", bytes(25) if field_id == 4 else draw(values))
        for field_id in draw(st.lists(st.integers(1, 11), unique=True, max_size=4))
    ]
    return draw(st.permutations(context + draw(st.lists(named_fields, max_size=4))))


targets = st.binary(max_size=20).map(lambda rest: b"/" + rest)
bodies = st.binary(max_size=40)
exchanges = st.integers(1, 2**64 - 1)
u32 = st.integers(0, 2**32 - 1)
byte = st.integers(0, 255)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """One valid frame of any type, put together by the encoders."""
    kind = draw(st.integers(1, 12))
    flags, exchange = 0, draw(exchanges) if kind >= 6 else 0
    if kind <= 2:
        payload = draw(bodies)
    elif kind == 3:
        payload = codec.encode_heartbeat(draw(st.sampled_from(HealthStatus)), draw(st.integers(0, 65535)), draw(u32))
    elif kind == 4:
        payload = codec.encode_goaway(draw(byte), draw(u32))
    elif kind == 5:
        payload = codec.encode_fault(draw(st.integers(0, 65535)), draw(st.text(max_size=20)))
    elif kind == 6:
        flags = draw(st.integers(0, 1))
        payload = codec.encode_request(
            draw(u32),
            draw(st.integers(0, 65535)),
            draw(st.integers(1, 7)),
            draw(targets),
            draw(field_lists()),
            draw(bodies),
            attempt=draw(st.integers(1, 255)),
        )
    elif kind == 7:
        status = draw(st.integers(100, 599))
        flags = draw(st.integers(0, 1)) if status >= 200 else 0
        payload = codec.encode_response(status, draw(field_lists()), draw(bodies) if status >= 200 else b"")
    elif kind == 8:
        payload = draw(bodies)
        flags = 0 if payload and draw(st.booleans()) else 1
    elif kind == 9:
        flags, payload = 1, codec.encode_trailers(draw(field_lists()))
    elif kind == 10:
        payload = codec.encode_credit(draw(st.integers(1, 2**32 - 1)))
    elif kind == 11:
        payload = codec.encode_cancel(draw(byte))
    else:
        payload = codec.encode_refused(draw(byte), draw(u32))
    return codec.encode_frame(kind, flags, exchange, payload)


streams = st.lists(frames(), max_size=5).map(b"".join)


@st.composite
def mutated_streams(draw: st.DrawFn) -> bytes:
    """A valid stream with a few bytes changed, left out or put in: near misses, where decoders disagree."""
    data = bytearray(draw(st.lists(frames(), min_size=1, max_size=4).map(b"".join)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 3))
        data[at : at + length] = draw(
            st.binary(max_size=3) if draw(st.booleans()) else st.binary(min_size=length, max_size=length)
        )
    return bytes(data)
