"""The listening sockets of all workers: each is somebody's, nobody is without, and nobody else is there."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from free_port import free_port

from penstock.settings import Address
from proxy.config import GatewayConfig, load_gateway
from proxy.edge.listen import ListenError, open_listener
from proxy.process.inherited import EDGE, OWN, SECURED, SERVICES
from proxy.supervisor.sockets import ADMIN, Passed, Sockets, _dealt


def config(**settings: str) -> GatewayConfig:
    listens = {f"{name}_listen": f"127.0.0.1:{free_port()}" for name in ("edge", "services", "admin")}
    return load_gateway({f"PENSTOCK_{name.upper()}": text for name, text in (listens | settings).items()}).settings


@contextmanager
def opened(count: int, settings: GatewayConfig, **ready: list[socket.socket]) -> Iterator[Sockets]:
    sockets = Sockets(count)
    sockets.open(settings, ready)
    try:
        yield sockets
    finally:
        sockets.close()


def name_of(number: int) -> tuple[str, int]:
    with socket.socket(fileno=os.dup(number)) as same:
        host, port = same.getsockname()
        return host, port


@pytest.mark.parametrize("there", range(8))
@pytest.mark.parametrize("count", range(1, 6))
def test_every_socket_is_somebodys_and_nobody_is_without(there: int, count: int) -> None:
    sockets = [socket.socket() for _ in range(there)]
    dealt = [_dealt(sockets, slot, count) for slot in range(count)]
    assert {each.fileno() for part in dealt for each in part} == {each.fileno() for each in sockets}
    assert not there or all(dealt)
    assert there < count or sum(map(len, dealt)) == there  # as many as slots, or more: each is one worker's
    for each in sockets:
        each.close()


def test_each_slot_has_its_own_on_the_same_address() -> None:
    settings = config()
    with opened(3, settings) as sockets:
        given = [sockets.of_slot(slot) for slot in range(3)]
        assert [sorted(each) for each in given] == [[EDGE, OWN, SERVICES]] * 3
        numbers = [number for each in given for part in each.values() for number in part]
        assert len(set(numbers)) == 9
        assert sockets.address(EDGE) == (settings.edge.listen.host, settings.edge.listen.port)
        assert sockets.address(SECURED) is None
        for _ in range(20):
            socket.create_connection((settings.edge.listen.host, settings.edge.listen.port)).close()


def test_free_ports() -> None:
    with opened(2, config(edge_listen="127.0.0.1:0", services_listen="127.0.0.1:0")) as sockets:
        edges = [sockets.of_slot(slot)[EDGE][0] for slot in range(2)]
        assert len({name_of(number) for number in edges}) == 1


def test_own_ports_of_workers() -> None:
    first = free_port()
    with opened(3, config(services_worker_listen=f"127.0.0.1:{first}")) as sockets:
        for slot in range(3):
            (number,) = sockets.of_slot(slot)[OWN]
            assert name_of(number) == ("127.0.0.1", first + slot)


@pytest.mark.parametrize("name", ["edge", "services", "admin"])
def test_nobody_else_may_be_there_even_if_they_would_share(name: str) -> None:
    port = free_port()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        sockets = Sockets(2)
        with pytest.raises(ListenError) as caught:
            sockets.open(config(**{f"{name}_listen": f"127.0.0.1:{port}"}))
    assert caught.value.problem.code == "port_in_use"
    assert caught.value.problem.what == f"{name}.listen"
    assert sockets.address(ADMIN) is None  # none was left open


def test_what_another_program_had_is_gone_on_with() -> None:
    settings = config(services_worker_listen=f"127.0.0.1:{free_port()}")
    before = Sockets(2)
    before.open(settings)
    passed = before.leave()
    after = Sockets(4)
    after.adopt(settings, passed)
    try:
        edges = [after.of_slot(slot)[EDGE] for slot in range(4)]
        assert edges[:2] == [[number] for number in passed[EDGE].descriptors]
        assert len({number for part in edges for number in part}) == 4
        assert after.admin.fileno() == passed[ADMIN].descriptors[0]
        assert [after.of_slot(slot)[OWN][0] for slot in range(2)] == list(passed[OWN].descriptors)
    finally:
        after.close()


def test_where_another_address_is_set_the_old_sockets_are_closed() -> None:
    before = Sockets(2)
    before.open(config())
    passed = before.leave()
    port = passed[EDGE].address.rpartition(":")[2]
    settings = config(services_listen=passed[SERVICES].address, admin_listen=passed[ADMIN].address)
    with_new = Sockets(2)
    with_new.adopt(settings, passed)
    try:
        assert with_new.address(EDGE) == ("127.0.0.1", settings.edge.listen.port)
        open_listener(Address("127.0.0.1", int(port)), "edge.listen").close()  # it is free
        assert [with_new.of_slot(slot)[SERVICES][0] for slot in range(2)] == list(passed[SERVICES].descriptors)
    finally:
        with_new.close()


def test_a_socket_of_the_service_manager_that_cannot_be_shared_is_everybodys() -> None:
    ready = socket.create_server(("127.0.0.1", 0))
    with opened(2, config(), **{EDGE: [ready]}) as sockets:
        assert [list(sockets.of_slot(slot)[EDGE]) for slot in range(2)] == [[ready.fileno()]] * 2


def test_a_socket_of_the_service_manager_that_can_be_shared_gets_more_beside_it() -> None:
    ready = socket.socket()
    ready.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    ready.bind(("127.0.0.1", 0))
    ready.listen()
    with opened(3, config(), **{EDGE: [ready]}) as sockets:
        numbers = [sockets.of_slot(slot)[EDGE][0] for slot in range(3)]
        assert numbers[0] == ready.fileno()
        assert len(set(numbers)) == 3
        assert set(map(name_of, numbers)) == {ready.getsockname()}


def test_what_is_passed_is_text_and_numbers() -> None:
    before = Sockets(1)
    settings = config()
    before.open(settings)
    passed = before.leave()
    assert passed[EDGE] == Passed(str(settings.edge.listen), passed[EDGE].descriptors)
    assert before.address(EDGE) is None
    again = Sockets(1)
    again.adopt(settings, passed)
    again.close()
