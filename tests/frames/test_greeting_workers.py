"""WELCOME's list of workers: each rule has a list that breaks it, on the way in and on the way out."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frames.errors import GreetingError
from frames.frame import FaultCode
from frames.greeting import WORKERS, Welcome, WorkerPlace, decode_welcome, encode_welcome

WELCOME: dict[str, Any] = {
    "protocol": 1,
    "features": [WORKERS],
    "gateway": "gw-1",
    "heartbeat_ms": 5000,
    "credit_bytes": 0,
    "worker": "0.1",
    "workers": [{"id": "0.1", "port": 7105}, {"id": "1.1", "port": 7106, "host": "gw.internal"}],
}


def payload(**changed: Any) -> bytes:
    """The WELCOME as JSON, with members changed, or left out where they are changed to ``...``."""
    return json.dumps({name: value for name, value in (WELCOME | changed).items() if value is not ...}).encode()


def maybe_welcome(said: bytes) -> Welcome | None:
    try:
        return decode_welcome(said)
    except GreetingError as error:
        if len(error.message.encode()) > 1024:
            raise
    return None


def test_a_list_of_workers_is_read_as_it_was_written() -> None:
    welcome = decode_welcome(payload())
    assert welcome.worker == "0.1"
    assert welcome.workers == (
        WorkerPlace(id="0.1", port=7105),
        WorkerPlace(id="1.1", port=7106, host="gw.internal"),
    )
    assert decode_welcome(encode_welcome(welcome)) == welcome


@pytest.mark.parametrize("left_out", [..., None])
def test_a_gateway_of_one_process_has_no_list(left_out: Any) -> None:
    welcome = decode_welcome(payload(worker=left_out, workers=left_out))
    assert (welcome.worker, welcome.workers) == (None, None)
    assert b"worker" not in encode_welcome(msgspec.structs.replace(welcome, features=()))


def test_a_worker_may_be_named_without_a_list_and_a_list_may_be_empty() -> None:
    assert decode_welcome(payload(workers=...)).workers is None
    assert decode_welcome(payload(workers=[])).workers == ()


def test_as_many_workers_as_the_limit_are_taken() -> None:
    workers = [{"id": f"{slot}.1", "port": 7000 + slot} for slot in range(256)]
    assert len(decode_welcome(payload(workers=workers)).workers or ()) == 256


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"leaves_within_ms": -1}, "leaves_within_ms is -1, and must be 0 to 4,294,967,295"),
        ({"leaves_within_ms": 1 << 32}, "leaves_within_ms is 4,294,967,296"),
        ({"leaves_within_ms": 0.5}, "leaves_within_ms"),
        ({"worker": ""}, "worker is ''"),
        ({"worker": "a b"}, "worker is 'a b'"),
        ({"worker": "w" * 65}, "worker is"),
        ({"worker": 1}, "worker"),
        ({"worker": ...}, "workers are listed, and worker is missing"),
        ({"workers": {}}, "workers"),
        ({"workers": ["0.1"]}, "workers"),
        ({"workers": [{"id": "0.1"}]}, "port"),
        ({"workers": [{"port": 1}]}, "id"),
        ({"workers": [{"id": "0/1", "port": 1}]}, "workers[0].id is '0/1'"),
        ({"workers": [{"id": "0.1", "port": 0}]}, "workers[0].port is 0, and must be 1 to 65,535"),
        ({"workers": [{"id": "0.1", "port": 65_536}]}, "workers[0].port is 65,536"),
        ({"workers": [{"id": "0.1", "port": 10**400}]}, "workers[0].port is a number of over 64 bits"),
        ({"workers": [{"id": "0.1", "port": "7105"}]}, "port"),
        ({"workers": [{"id": "0.1", "port": 1, "host": ""}]}, "workers[0].host is ''"),
        ({"workers": [{"id": "0.1", "port": 1, "host": "a/b"}]}, "workers[0].host is 'a/b'"),
        ({"workers": [{"id": "0.1", "port": 1, "host": "a\n"}]}, "workers[0].host"),
        ({"workers": [{"id": "0.1", "port": 1, "host": "h" * 254}]}, "workers[0].host"),
        (
            {"workers": [{"id": "0.1", "port": 1}, {"id": "0.1", "port": 2}]},
            "workers[1].id is '0.1', as that of another worker of the list",
        ),
    ],
)
def test_a_list_that_breaks_a_rule(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(GreetingError) as caught:
        decode_welcome(payload(**changed))
    assert caught.value.fault_code is FaultCode.PROTOCOL_ERROR
    assert message in caught.value.message
    assert len(caught.value.message) < 400
    assert caught.value.message.isprintable()


def test_more_workers_than_the_limit_are_refused() -> None:
    workers = [{"id": f"{slot}.1", "port": 7000 + slot} for slot in range(257)]
    with pytest.raises(GreetingError) as caught:
        decode_welcome(payload(workers=workers))
    assert caught.value.fault_code is FaultCode.LIMIT_EXCEEDED


def test_what_services_would_refuse_is_not_encoded() -> None:
    welcome = Welcome(
        protocol=1,
        features=(WORKERS,),
        gateway="gw-1",
        heartbeat_ms=5000,
        credit_bytes=0,
        workers=(WorkerPlace(id="0.1", port=7105),),
    )
    with pytest.raises(GreetingError, match="worker is missing"):
        encode_welcome(welcome)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "port", "host"]), inner),
    max_leaves=8,
)


@given(member=st.sampled_from(["worker", "workers", "leaves_within_ms"]), value=JSON)
def test_whatever_a_member_is_it_is_read_or_the_error_is_ours(member: str, value: Any) -> None:
    welcome = maybe_welcome(payload(**{member: value}))
    if welcome is not None:
        assert decode_welcome(encode_welcome(welcome)) == welcome
