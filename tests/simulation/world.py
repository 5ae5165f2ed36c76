"""A simulated world: a whole gateway, its clients and services, and a clock that goes on when it is told to.

Everything that happens is drawn from one seed. After each operation the gateway is driven until nothing is left to be
done, and what must always hold is looked at.
"""

import random
import select
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import trio
import trio.testing
from drawn_settings import ROUTE_OF_TWO
from invariants import check_always
from peers import MARK, Asked, Got, SimulatedClient, SimulatedService
from records import ErrorsInLog, Sent, must
from standing_clock import StandingClock

from frames._native import lib
from frames.codec import encode_goaway, encode_heartbeat, encode_refused
from frames.frame import FrameType, GoawayReason, HealthStatus, RefusedReason
from frames.wire_values import SocketKind
from proxy.config import GatewayConfig, load_gateway
from proxy.gateway.app import Gateway
from proxy.gateway.batch import make_decide

STEP_MS: Final = 20
LATE_MS: Final = 50
"""An answer must be there so soon after its deadline, on the clock of the simulation; its steps are finer."""
TICK_MS: Final = 250
NO_LIMIT: Final = 1 << 32


def read_settings(settings: dict[str, str]) -> GatewayConfig:
    """Return the configuration of settings such as ``{"edge_deadline": "1s"}``."""
    return load_gateway({f"PENSTOCK_{name.upper()}": value for name, value in settings.items() if value}).settings


class World:
    """One run."""

    def __init__(self, seed: int, clock: StandingClock, settings: dict[str, str]) -> None:
        self.draw = random.Random(seed)
        self.clock = clock
        self.trace: list[str] = []
        self.errors = ErrorsInLog()
        self.errors.listen()
        config = read_settings(settings)
        self.retries = config.retries
        self.deadline_ms = config.edge.deadline_ms
        self.gateway = Gateway(config, "simulated")
        self.wire = self.gateway.wire
        self.clients: list[SimulatedClient] = []
        self.services: list[SimulatedService] = []
        self.sent: dict[int, Sent] = {}
        self.may_cut = self.may_refresh = self.has_keys = False
        self.route_limit = NO_LIMIT
        """How many requests may be with one route at once."""
        self.done: Counter[str] = Counter()
        """How often a request with an Idempotency-Key was carried out, by key."""
        self.attempts = [0, 0]
        """How many first attempts services have had, and how many others."""
        self.began_ms = self._ticked_ms = clock.now_ms
        self._by_descriptor: dict[int, SimulatedClient | SimulatedService] = {}
        self._readable = select.epoll()
        self._settled = trio.Event()
        gateway, wire = self.gateway, self.wire
        self._decide = make_decide(
            *(gateway.lane, gateway.tasks, gateway.transport, wire.arena, wire.requests, gateway.own, None),
            gateway.breaking,
        )
        self._take_in(settings)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[trio.Nursery]:
        """Run what has tasks of its own, and close everything in the end."""
        gateway = self.gateway
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(gateway.tasks.run)
                for run in (gateway.own.run, gateway.pooling.run, gateway.admitting.run):
                    nursery.start_soon(run)
                yield nursery
                nursery.cancel_scope.cancel()
        finally:
            self.wire.close_all()
            for peer in (*self.clients, *self.services):
                peer.close()
            self._readable.close()

    async def reload(self, settings: dict[str, str]) -> None:
        """Have the gateway follow other settings."""
        self.tell(f"reload: {settings['rules'] or 'no rules'}")
        self._take_in(settings)
        await self.gateway.change(read_settings(settings))

    def _take_in(self, settings: dict[str, str]) -> None:
        """Know what may happen from now on."""
        rules = settings["rules"]
        self.may_cut |= "cut" in rules  # connections are reset on purpose
        self.may_refresh |= "cache" in rules  # requests are made beside those of clients, with deadlines of their own
        self.has_keys = "idempotency" in rules
        # What was let on before a reload is still under way behind it; what is sent again, and what refreshes a cache,
        # does not wait in line.
        is_held = not self.trace and ROUTE_OF_TWO in rules and "retries: none" in rules and not self.may_refresh
        self.route_limit = 2 if is_held else NO_LIMIT

    # ---- driving ----

    async def settle(self) -> None:
        """Let the gateway do all that there is to do now, and look at what must hold."""
        wire = self.wire
        while True:
            self._decide(wire.step(0))
            for look in tuple(wire.on_turn):
                look()
            wire.flush()
            is_active = lib.wire_was_active(wire._wire) or lib.wire_has_more(wire._wire)
            if self.gateway.tasks.in_progress:
                await trio.testing.wait_all_tasks_blocked()
            else:
                await trio.lowlevel.checkpoint()
            wire.flush()
            if not (self._look_at_peers() or is_active):
                break
        check_always(self)

    async def pass_time(self, milliseconds: int) -> None:
        """Let time pass, in steps that are finer while somebody waits."""
        ends_ms = self.clock.now_ms + milliseconds
        while self.clock.now_ms < ends_ms:
            waits = any(client.asking is not None for client in self.clients)
            self.clock.go_on(min(STEP_MS if waits else TICK_MS, ends_ms - self.clock.now_ms))
            if self.clock.now_ms - self._ticked_ms >= TICK_MS:
                self._ticked_ms = self.clock.now_ms
                self.gateway._tick(trio.current_time())
            await self.settle()

    def tell(self, line: str) -> None:
        """Note down what happens."""
        self.trace.append(f"{self.clock.now_ms % 10**9:>10} {line}")

    # ---- what comes to clients and services ----

    def _look_at_peers(self) -> bool:
        """Take in what the gateway has sent; whether there was anything."""
        ready = sorted(descriptor for descriptor, _ in self._readable.poll(0))
        for descriptor in ready:
            peer = self._by_descriptor[descriptor]
            if isinstance(peer, SimulatedService):
                for asked in peer.frames():
                    self._asked(peer, asked)
            else:
                self._look_at_client(peer)
        self.clients = [client for client in self.clients if client.is_open]
        self.services = [service for service in self.services if service.is_open]
        return bool(ready)

    def _look_at_client(self, client: SimulatedClient) -> None:
        for got in client.answers():
            self._answered(client, got)
        if not client.is_open and client.asking is not None:
            # An answer that has begun and cannot be ended is broken off, so that it does not look whole.
            must(self.may_cut or client.has_begun, f"the connection of request {client.asking} ended unanswered")
            self.tell(f"request {client.asking} is broken off")
            self.sent[client.asking].is_abandoned = True
            client.asking = None

    def _asked(self, service: SimulatedService, asked: Asked) -> None:
        self.attempts[asked.attempt > 1] += 1
        sent = self.sent.get(asked.number)
        self.tell(f"{service.instance} is asked {asked.number}, attempt {asked.attempt}, {asked.remaining_ms} ms left")
        if sent is None:
            return
        sent.started += 1
        must(sent.name == asked.name, f"request {asked.number} arrives with the name of another")
        must(sent.method == "GET" or sent.started == 1 or sent.key, f"POST {asked.number} is started twice")
        left_ms = self.deadline_ms if self.may_refresh else max(0, sent.due_ms - self.clock.now_ms)
        must(
            sent.path != "things" or asked.remaining_ms <= left_ms, f"{asked} is given more than the {left_ms} ms left"
        )

    def _answered(self, client: SimulatedClient, got: Got) -> None:
        number = client.asking
        self.tell(f"request {number} is answered {got.status} {got.reason}")
        sent = self.sent.get(number or 0)
        assert sent is not None, f"an answer that nobody waits for: {got}"
        client.asking = None
        sent.answers.append(got)
        must(len(sent.answers) == 1, f"request {number} was answered {len(sent.answers)} times")
        must(got.reason != "internal", f"request {number} was answered 500 internal")
        if not got.reason and sent.path != "all":
            must(got.body.endswith(b" " + sent.name), f"request {number} for {sent.name!r} has another's answer: {got}")
        if sent.whole_ms is not None and sent.path != "streams":
            late_ms = self.clock.now_ms - max(sent.due_ms, sent.whole_ms)
            must(late_ms <= LATE_MS, f"request {number} is answered {late_ms} ms after its deadline")

    # ---- what clients do ----

    def connect(self) -> SimulatedClient:
        """A client connects."""
        client = SimulatedClient()
        self.wire.adopt(client.near, SocketKind.EDGE)
        self.clients.append(client)
        self._watch(client)
        return client

    def ask(
        self, client: SimulatedClient, method: str, path: str, name: str, *, key: str, timeout_ms: int, part: float
    ) -> None:
        """Send a request. timeout_ms: 0 for none; part: so much now, 0 to 1; the rest is sent by `go_on_asking`."""
        number = len(self.sent) + 1
        body = b"b" * self.draw.choice((0, 10, 3_000)) if method == "POST" and not key else b""
        lines = [f"{method} /{path}/{name} HTTP/1.1", "host: edge", f"{MARK.decode()}: {number}"]
        lines += [f"x-request-timeout-ms: {timeout_ms}"] * bool(timeout_ms) + [f"idempotency-key: {key}"] * bool(key)
        data = "\r\n".join([*lines, f"content-length: {len(body)}", "\r\n"]).encode() + body
        count = max(1, int(len(data) * part))
        due_ms = self.clock.now_ms + min(timeout_ms or self.deadline_ms, self.deadline_ms)
        self.sent[number] = Sent(method, path, name.encode(), key, due_ms)
        client.asking, client.rest = number, data[count:]
        self.tell(f"request {number}: {method} /{path}/{name}, {timeout_ms or '-'} ms, {count} of {len(data)} bytes")
        client.send(data[:count])
        if not client.rest:
            self.sent[number].whole_ms = self.clock.now_ms

    def go_on_asking(self, client: SimulatedClient) -> None:
        """Send the rest of a request."""
        assert client.asking is not None
        self.tell(f"the rest of request {client.asking}")
        client.send(client.rest)
        client.rest = b""
        self.sent[client.asking].whole_ms = self.clock.now_ms

    def leave(self, client: SimulatedClient) -> None:
        """A client closes its connection."""
        if client.asking is not None:
            self.sent[client.asking].is_abandoned = True
            self.tell(f"the client of request {client.asking} leaves")
            client.asking = None
        client.close()

    # ---- what services do ----

    def start_service(self, instance: str) -> SimulatedService:
        """A service connects, and says HELLO."""
        service = SimulatedService(instance)
        self.gateway.transport.opened(self.wire.adopt(service.near, SocketKind.FRAMED))
        self.services.append(service)
        self._watch(service)
        service.join()
        self.tell(f"{instance} starts")
        return service

    def answer(self, service: SimulatedService, asked: Asked, status: int, filling: bytes, pieces: int) -> None:
        """A service answers: what it was asked for stands at the end."""
        self.tell(f"{service.instance} answers {asked.number} with {status}")
        service.respond(asked, status, filling + b" " + asked.name, pieces=pieces if asked.streams else 1)
        sent = self.sent.get(asked.number)
        if sent is not None and sent.key and status == 200 and self.clock.now_ms < sent.due_ms and service.is_open:
            self.done[sent.key] += 1
            must(self.done[sent.key] == 1, f"what has the key {sent.key} was carried out twice")

    def refuse(self, service: SimulatedService, asked: Asked, retry_after_ms: int) -> None:
        """A service does not start a request."""
        del service.pending[asked.exchange]
        if asked.number in self.sent:
            self.sent[asked.number].started -= 1
        self.tell(f"{service.instance} refuses {asked.number}")
        service.send_frame(FrameType.REFUSED, encode_refused(RefusedReason.OVERLOADED, retry_after_ms), asked.exchange)

    def beat(self, service: SimulatedService) -> None:
        """A service says that it is well."""
        beat = encode_heartbeat(HealthStatus.HEALTHY, in_flight=len(service.pending))
        service.send_frame(FrameType.HEARTBEAT, beat)

    def say_goodbye(self, service: SimulatedService) -> None:
        """A service says that it wants nothing new."""
        self.tell(f"{service.instance} says GOAWAY")
        service.send_frame(FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 1_000))

    def _watch(self, peer: SimulatedClient | SimulatedService) -> None:
        self._by_descriptor[peer.descriptor] = peer
        self._readable.register(peer.descriptor, select.EPOLLIN)
