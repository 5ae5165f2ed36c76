"""One cell of the matrix, run: a gateway, a client and a service, and the relay between two of them."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from typing import Final, NamedTuple

import h11
import trio
from free_port import free_port
from lab import Lab, open_lab, run_service, until
from lab_client import WAIT_S, Client, request
from lab_tls import TlsFiles
from relay import Direction, Fault, Kind, Relay, open_relay

from penstock import Call, Service
from penstock.settings import load_service_settings
from penstock.settings.service import ServiceSettings

PLAIN: Final = b"0123456789abcdef" * 64
STREAM: Final = PLAIN * 4
SHORT: Final = "300ms"
CLIENT_WITHIN: Final = {
    "edge_head_timeout": SHORT,
    "edge_body_rate": "64KiB",
    "edge_stream_idle_timeout": "1s",  # far behind that of a body
    "edge_tls_handshake_timeout": SHORT,
    "edge_write_timeout": SHORT,
    "edge_linger": "100ms",
}
CONNECTING_WITHIN: Final = CLIENT_WITHIN | {"edge_idle_timeout": SHORT}
"""Where a client says nothing at all."""
SERVICE_WITHIN: Final = {
    "edge_deadline": SHORT,
    "edge_stream_idle_timeout": "1s",  # far before an instance is removed
    "services_hello_timeout": SHORT,
    "services_heartbeat": SHORT,  # three of them must be missed, so deadlines come first
    "services_degraded_after": "900ms",
    "services_unhealthy_after": "1s",
    "services_removed_after": "2s",
}
"""For faults that only time ends: how long one side may be silent. The other side, and all other cells, have the
defaults, for which no busy machine is too slow."""
DIALLED: Final = {"pool_warm": "0", "pool_idle": "1s"}
"""A service that nobody asks falls asleep: the next request begins the handshake that is harmed, and waits for it."""
DIALLED_FOR: Final = f"{WAIT_S}s"
"""How long a dial may take where it is not for time to end it: with faults, and machines, that are slow."""
ONLY_TIME_ENDS: Final = (Kind.SLOW, Kind.BLACK_HOLE)
DELAYS: Final = (Kind.LATENCY, Kind.JITTER, Kind.SLICING)
"""Faults that a service's HELLO gets through, if late."""
PATIENCE_S: Final = 0.5
"""Of a client to which the relay lets nothing come: only it can end that."""


class Side(Enum):
    """Between whom the relay is: a client and the gateway, or a service and the gateway."""

    CLIENT = "client"
    SERVICE = "service"


class Phase(Enum):
    """What is harmed."""

    CONNECT = "connecting"
    TLS = "TLS handshake"
    ASKED_HEAD = "head of the request"
    ASKED_BODY = "body of the request"
    ASKED_STREAM = "streamed body of the request"
    ANSWER_HEAD = "head of the answer"
    ANSWER_BODY = "body of the answer"
    ANSWER_STREAM = "streamed body of the answer"


STREAMED: Final = (Phase.ASKED_STREAM, Phase.ANSWER_STREAM)
AFTER_BYTES: Final = {
    Side.CLIENT: {
        Phase.CONNECT: (Direction.UP, 0),
        Phase.TLS: (Direction.UP, 64),
        Phase.ASKED_HEAD: (Direction.UP, 20),
        Phase.ASKED_BODY: (Direction.UP, 600),
        Phase.ASKED_STREAM: (Direction.UP, 3_000),
        Phase.ANSWER_HEAD: (Direction.DOWN, 10),
        Phase.ANSWER_BODY: (Direction.DOWN, 900),
        Phase.ANSWER_STREAM: (Direction.DOWN, 3_000),
    },
    Side.SERVICE: {
        Phase.CONNECT: (Direction.UP, 0),
        Phase.TLS: (Direction.DOWN, 64),
        Phase.ASKED_HEAD: (Direction.DOWN, 5),
        Phase.ASKED_BODY: (Direction.DOWN, 800),
        Phase.ASKED_STREAM: (Direction.DOWN, 3_000),
        Phase.ANSWER_HEAD: (Direction.UP, 5),
        Phase.ANSWER_BODY: (Direction.UP, 600),
        Phase.ANSWER_STREAM: (Direction.UP, 3_000),
    },
}
"""Which direction is harmed, and behind how many bytes of it. A service connects to the gateway, so up is from it; but
by TLS it is the gateway that connects, and down is what the service says of itself."""


class Ending(NamedTuple):
    """What has become of a cell: what the client saw, and the reasons that the gateway counted."""

    seen: str
    """``200``; a status and its reason; ``lost`` for a connection that ended, or was reset, before the answer did;
    ``silence`` where nothing came, and nobody told."""
    reasons: dict[str, int]


def make_service() -> Service:
    """A service that answers what it was sent, in one piece or as it comes."""
    service = Service("things", version="1.0.0")

    @service.post("/things", access="public")
    async def post(call: Call) -> bytes:
        return call.body

    @service.post("/streams", access="public", streams=True)
    async def stream(call: Call) -> AsyncIterator[bytes]:
        async for part in call.stream():
            yield part

    return service


async def ask(client: Client, phase: Phase, patience_s: float = 2 * WAIT_S) -> str:
    """Send the request of a phase, and say in a word or two what came."""
    with trio.move_on_after(patience_s):
        return await _ask(client, phase)
    return "silence"


async def _ask(client: Client, phase: Phase) -> str:
    with suppress(trio.BrokenResourceError, ssl.SSLError):  # an answer may have come before
        await client.send(_request(phase))
    try:
        answer = await client.answer("POST")
    except (trio.BrokenResourceError, ssl.SSLError, AssertionError, h11.RemoteProtocolError):
        return "lost"
    if answer.status != 200:
        return f"{answer.status} {answer.reason}"
    assert answer.body == (STREAM if phase in STREAMED else PLAIN), "an answer looks whole, and is not"
    return "200"


def _request(phase: Phase) -> bytes:
    if phase not in STREAMED:
        return request("POST", "/things", body=PLAIN)
    head = b"POST /streams HTTP/1.1\r\nHost: edge\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%s\r\n" % (len(PLAIN), PLAIN) * 4 + b"0\r\n\r\n"


async def run_cell(side: Side, phase: Phase, kind: Kind, tls: TlsFiles) -> Ending:
    """Harm one request, see what becomes of it, and that all goes on as before."""
    fault = Fault(kind, *AFTER_BYTES[side][phase])
    is_timed = kind in ONLY_TIME_ENDS
    if side is Side.CLIENT:
        within = CONNECTING_WITHIN if phase is Phase.CONNECT else CLIENT_WITHIN
        return await _harm_client(phase, fault, within if is_timed else {}, tls if phase is Phase.TLS else None)
    if phase is Phase.TLS:
        return await _harm_dialled(fault, SHORT if is_timed else DIALLED_FOR, tls)
    return await _harm_service(phase, fault, SERVICE_WITHIN if is_timed else {})


# ---- the client's side ----


async def _harm_client(phase: Phase, fault: Fault, settings: dict[str, str], tls: TlsFiles | None) -> Ending:
    port = free_port()
    async with open_lab(**settings, **(tls.settings(port) if tls else {})) as lab:
        await lab.serve(make_service())
        target = ("127.0.0.1", port) if tls else lab.addresses.edge
        async with open_relay(target) as (relay, near):
            relay.arm(fault, lambda: _has_come(lab, phase))
            is_unheard = fault.direction is Direction.DOWN and fault.kind in ONLY_TIME_ENDS
            seen = await _ask_through(near, phase, tls, PATIENCE_S if is_unheard else 2 * WAIT_S)
            await until(lambda: lab.count("edge_accepted") == lab.count("edge_closed") == 1)
            await lab.census()
            reasons = lab.reasons | _tls_failures(lab)
            relay.arm(None)
            assert await _ask_through(near, phase, tls) == "200", "it does not go on as before"
    return Ending(seen, reasons)


def _has_come(lab: Lab, phase: Phase) -> bool:
    """Whether the gateway has taken in what comes before the fault: a reset takes back what was not read yet."""
    if phase is Phase.ASKED_STREAM:
        return lab.count("handed_over_now") == 1
    if phase in (Phase.ASKED_HEAD, Phase.ASKED_BODY, Phase.TLS):
        return lab.count("edge_bytes_in") >= AFTER_BYTES[Side.CLIENT][phase][1]
    return True


def _tls_failures(lab: Lab) -> dict[str, int]:
    secured = lab.gateway.overview._secured
    return {f"tls: {cause.value}": count for cause, count in secured.batch.failures.items() if count} if secured else {}


async def _ask_through(port: int, phase: Phase, tls: TlsFiles | None, patience_s: float = 2 * WAIT_S) -> str:
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    try:
        if tls is None:
            return await ask(Client(stream), phase, patience_s)
        context = ssl.create_default_context(cafile=str(tls.authority))
        secured = trio.SSLStream(stream, context, server_hostname="localhost", https_compatible=True)
        with trio.fail_after(WAIT_S):
            await secured.do_handshake()
        return await ask(Client(secured), phase)  # type: ignore[arg-type]
    except trio.BrokenResourceError:
        return "lost"
    finally:
        await trio.aclose_forcefully(stream)


# ---- the service's side ----


async def _harm_service(phase: Phase, fault: Fault, settings: dict[str, str]) -> Ending:
    is_connecting = phase is Phase.CONNECT
    async with open_lab(**settings) as lab, open_relay(lab.addresses.services) as (relay, port):
        relay.arm(fault if is_connecting else None)
        async with _serving(lab, port, is_short=bool(settings)):
            if is_connecting:
                with trio.move_on_after(2 * WAIT_S if fault.kind in DELAYS else 0.2):
                    await until(lambda: bool(lab.gateway.registry.instances))
            else:
                await until(lambda: lab.count("frames_in") >= 2)  # HELLO, and the HEARTBEAT behind it
                relay.arm(fault)
            seen = await ask(await lab.client(), phase)
            relay.arm(None)
            reasons = lab.reasons
            await _recover(lab, phase)
            await lab.census()
    return Ending(seen, reasons)


async def _harm_dialled(fault: Fault, dial_within: str, tls: TlsFiles) -> Ending:
    """Harm the handshake that a request waits for: the service is known, and asleep."""
    place = free_port()
    dial = {"dial_tls_ca": str(tls.authority), "pool_connect_timeout": dial_within, **DIALLED}
    async with open_relay(("127.0.0.1", place)) as (relay, port), trio.open_nursery() as nursery:
        nursery.start_soon(make_service().serve, _listening(place, tls))  # noqa: ASYNC113 - it is dialled until it is there
        async with open_lab(services_dial=f"['tls://127.0.0.1:{port}']", **dial) as lab:
            await until(lambda: any(instance.is_dormant for instance in lab.gateway.registry.instances))
            relay.arm(fault)
            seen = await ask(await lab.client(), Phase.TLS)
            reasons = lab.reasons | _dials_in_vain(lab)
            relay.arm(None)
            await _recover(lab, Phase.TLS)
            await lab.census()
        nursery.cancel_scope.cancel()
    return Ending(seen, reasons)


def _listening(port: int, tls: TlsFiles) -> ServiceSettings:
    given = {"": f"127.0.0.1:{port}", "_CERTIFICATE": str(tls.certificate), "_KEY": str(tls.key)}
    return load_service_settings({f"PENSTOCK_SERVICE_LISTEN{name}": value for name, value in given.items()})


def _dials_in_vain(lab: Lab) -> dict[str, int]:
    """Why the last dial was in vain, in the words of the log."""
    dialled = lab.gateway.pooling._dialled
    assert dialled is not None
    said = [what.removeprefix("cannot be reached: ").partition(";")[0] for what in dialled._said.values()]
    return {f"dial: {what}": 1 for what in said}


@asynccontextmanager
async def _serving(lab: Lab, port: int, *, is_short: bool) -> AsyncIterator[None]:
    """Have a service connect through a relay, and again when it has to; it may not be there yet."""
    addresses = lab.addresses._replace(services=("127.0.0.1", port))
    settings = {"instance": "things-1"} | ({"service_heartbeat": SHORT} if is_short else {})
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            await run_service(nursery, addresses, make_service(), **settings)

        nursery.start_soon(serve)  # noqa: ASYNC113 - whether it gets there is what is asked
        yield
        nursery.cancel_scope.cancel()


async def _recover(lab: Lab, phase: Phase) -> None:
    """Ask until it is answered: whoever was harmed comes back by itself."""
    with trio.fail_after(WAIT_S):
        while True:
            client = await lab.client()
            if await ask(client, phase) == "200":
                return
            await trio.sleep(0.01)


__all__ = ["AFTER_BYTES", "Ending", "Kind", "Phase", "Relay", "Side", "run_cell"]
