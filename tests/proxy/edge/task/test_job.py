"""What is kept of a request: the upgrade that is allowed, and another Host."""

import pytest

from frames.fields import decode_fields, encode_block
from frames.frame import FieldId
from frames.limits import FIELD_ENTRY_BYTES
from frames.wire_values import ForwardedFields
from proxy.edge.task.job import allowed_upgrade, replace_host

BOTH = ("websocket", "tus")


@pytest.mark.parametrize(
    ("value", "offered", "allowed", "taken"),
    [
        (b"websocket", BOTH, set(BOTH), b"websocket"),
        (b"WebSocket", BOTH, set(BOTH), b"websocket"),
        (b"foo, websocket", BOTH, set(BOTH), b"websocket"),
        (b" \tfoo\t,\twebsocket ", BOTH, set(BOTH), b"websocket"),
        (b"tus, websocket", BOTH, set(BOTH), b"tus"),  # the client's order
        (b"tus, websocket", BOTH, {"websocket"}, b"websocket"),
        (b"tus, websocket", ("websocket",), set(BOTH), b"websocket"),
        (b"websocket", (), set(BOTH), b""),
        (b"websocket", BOTH, set(), b""),
        (b"websocket/13", BOTH, set(BOTH), b""),
        (b"web socket", BOTH, set(BOTH), b""),
        (b"\xffwebsocket", BOTH, set(BOTH), b""),
        (b"", BOTH, set(BOTH), b""),
        (b",,", BOTH, set(BOTH), b""),
        (b"h2c", ("h2c",), {"h2c"}, b""),
        (b"H2C, websocket", ("h2c", "websocket"), {"h2c", "websocket"}, b"websocket"),
        (b"h2c", ("h2c", ""), {"h2c", ""}, b""),
    ],
)
def test_upgrades(value: bytes, offered: tuple[str, ...], allowed: set[str], taken: bytes) -> None:
    assert allowed_upgrade(value, offered, frozenset(allowed)) == taken


def fields_of(*named: tuple[bytes, bytes]) -> ForwardedFields:
    table, text = encode_block([(FieldId.NAMED, name, value) for name, value in named])
    return ForwardedFields(len(named), table + text)


def read(fields: ForwardedFields) -> list[tuple[bytes, bytes]]:
    decoded = decode_fields(fields.block, 0, fields.count, FIELD_ENTRY_BYTES * fields.count)
    return [(name, value) for _, name, value in decoded]


def test_host_is_replaced_and_the_rest_stays_in_order() -> None:
    fields = fields_of((b"a", b"1"), (b"host", b"old"), (b"b", b""), (b"a", b"2"))
    assert read(replace_host(fields, b"new:81")) == [(b"host", b"new:81"), (b"a", b"1"), (b"b", b""), (b"a", b"2")]


@pytest.mark.parametrize("given", [[], [(b"a", b"1")], [(b"host", b"x")]])
def test_there_is_one_host_afterwards(given: list[tuple[bytes, bytes]]) -> None:
    replaced = read(replace_host(fields_of(*given), b"new"))
    assert [value for name, value in replaced if name == b"host"] == [b"new"]
    assert len(replaced) == len([name for name, _ in given if name != b"host"]) + 1
