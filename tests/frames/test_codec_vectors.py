"""The golden vectors, against the C codec, the Python twin, and the encoders."""

from collections.abc import Callable
from typing import Any

import frame_twin
import pytest
from frame_support import as_found
from frame_vectors import BAD, GOOD

from frames import codec
from frames.frame import FrameErrorCode

good = pytest.mark.parametrize("vector", GOOD, ids=lambda vector: vector["name"])
bad = pytest.mark.parametrize("vector", BAD, ids=lambda vector: vector["name"])


def fields_of(frame: dict[str, Any]) -> list[tuple[int, bytes, bytes]]:
    return [
        (
            entry["id"],
            entry["name"].encode(),
            bytes.fromhex(entry["value_hex"]) if "value_hex" in entry else entry["value"].encode(),
        )
        for entry in frame.get("fields", [])
    ]


def expected_frame(vector: dict[str, Any]) -> frame_twin.Frame:
    frame = vector["frame"]
    numbers = {name: frame.get(name, 0) for name in ("remaining_ms", "endpoint", "method", "attempt", "status")}
    return frame_twin.Frame(
        frame["type"],
        frame["flags"],
        int(frame["exchange"], 16),
        vector["data"][16:],
        **numbers,
        target=frame.get("target", "").encode(),
        fields=fields_of(frame),
        body=frame.get("body", "").encode(),
    )


@good
def test_good_vector_is_read_as_written(vector: dict[str, Any]) -> None:
    expected = frame_twin.Found([expected_frame(vector)], len(vector["data"]), 0, "OK")
    assert len(vector["data"]) == 16 + vector["frame"]["payload_bytes"]
    assert as_found(codec.scan(vector["data"])) == expected
    assert frame_twin.scan(vector["data"]) == expected


@bad
def test_bad_vector_is_refused_for_its_reason(vector: dict[str, Any]) -> None:
    expected = frame_twin.Found([], 0, 0, vector["error"])
    assert as_found(codec.scan(vector["data"])) == expected
    assert frame_twin.scan(vector["data"]) == expected


@bad
def test_bad_frame_does_not_hide_the_good_one_before_it(vector: dict[str, Any]) -> None:
    first = GOOD[3]["data"]
    found = codec.scan(first + vector["data"])
    assert (len(found.frames), found.consumed, found.error.name) == (1, len(first), vector["error"])


def encode(kind: int, frame: dict[str, Any], meaning: dict[str, Any]) -> bytes:
    """Encode what a vector says, with the encoder of its type."""
    body: bytes = frame.get("body", "").encode()
    match kind:
        case 3:
            return codec.encode_heartbeat(**meaning)
        case 4:
            return codec.encode_goaway(**meaning)
        case 5:
            return codec.encode_fault(**meaning)
        case 6:
            return codec.encode_request(
                *(frame["remaining_ms"], frame["endpoint"], frame["method"], frame["target"].encode()),
                *(fields_of(frame), body),
                attempt=frame["attempt"],
            )
        case 7:
            return codec.encode_response(frame["status"], fields_of(frame), body)
        case 9:
            return codec.encode_trailers(fields_of(frame))
        case 10:
            return codec.encode_credit(**meaning)
        case 11:
            return codec.encode_cancel(**meaning)
        case 12:
            return codec.encode_refused(**meaning)
        case _:
            return body


@pytest.mark.parametrize("vector", [v for v in GOOD if v["frame"]["type"] > 2], ids=lambda vector: vector["name"])
def test_encoders_write_the_vector(vector: dict[str, Any]) -> None:
    frame = vector["frame"]
    payload = encode(frame["type"], frame, vector.get("payload", {}))
    assert codec.encode_frame(frame["type"], frame["flags"], int(frame["exchange"], 16), payload) == vector["data"]


DECODERS: dict[int, Callable[[bytes], dict[str, Any]]] = {
    3: lambda payload: codec.decode_heartbeat(payload)._asdict(),
    4: lambda payload: codec.decode_goaway(payload)._asdict(),
    5: lambda payload: codec.decode_fault(payload)._asdict(),
    10: lambda payload: {"credit_bytes": codec.decode_credit(payload)},
    11: lambda payload: {"reason": codec.decode_cancel(payload)},
    12: lambda payload: codec.decode_refused(payload)._asdict(),
}


@pytest.mark.parametrize("vector", [v for v in GOOD if "payload" in v], ids=lambda vector: vector["name"])
def test_decoders_read_the_fixed_payload(vector: dict[str, Any]) -> None:
    assert DECODERS[vector["frame"]["type"]](vector["data"][16:]) == vector["payload"]


@pytest.mark.parametrize(
    "vector",
    [v for v in BAD if v["data"][4] in DECODERS and len(v["data"]) > 16 and v["error"] in ("PAYLOAD", "RESERVED")],
    ids=lambda vector: vector["name"],
)
def test_decoders_refuse_what_a_scan_refuses(vector: dict[str, Any]) -> None:
    with pytest.raises(codec.FrameError) as caught:
        DECODERS[vector["data"][4]](vector["data"][16:])
    assert caught.value.code.name == vector["error"]


def test_there_is_a_good_vector_for_every_type_and_a_bad_one_for_every_error() -> None:
    assert {vector["frame"]["type"] for vector in GOOD} == set(range(1, 13))
    assert {vector["error"] for vector in BAD} == set(FrameErrorCode.__members__) - {"OK"}
