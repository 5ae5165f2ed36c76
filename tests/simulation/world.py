"""A simulated world: a whole gateway, its clients and services, and a clock that goes on when it is told to.

Everything that happens is drawn from one seed. After each operation the gateway is driven until nothing is left to be
done, and what must always hold is looked at.
"""

import logging
import random
import select
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import trio
import trio.testing
from peers import MARK, Asked, Got, SimulatedClient, SimulatedService
from standing_clock import StandingClock

from frames._native import lib
from frames.codec import encode_goaway, encode_heartbeat, encode_refused
from frames.frame import FrameType, GoawayReason, HealthStatus, RefusedReason
from frames.wire_values import SocketKind
from proxy.app import Gateway
from proxy.batch import make_decide
from proxy.config import load_gateway

STEP_MS: Final = 20
LATE_MS: Final = 50
"""An answer must be there so soon after its deadline, on the clock of the simulation; its steps are finer."""
TICK_MS: Final = 250


class BrokenInvariant(AssertionError):  # noqa: N818 - it says what is the case
    """What must always hold does not."""


def must(holds: object, what: str) -> None:
    """Say what does not hold."""
    if not holds:
        raise BrokenInvariant(what)


class Sent:
    """One request that a client has sent whole."""

    __slots__ = ("answers", "due_ms", "is_abandoned", "key", "method", "name", "started", "whole_ms")

    def __init__(self, method: str, name: bytes, key: str, due_ms: int) -> None:
        self.method = method
        self.key = key
        """Its Idempotency-Key, if it has one."""
        self.name = name
        self.due_ms = due_ms
        self.whole_ms: int | None = None
        """When its last byte was sent."""
        self.started = 0
        """How often a service has had it, and not refused it."""
        self.answers: list[Got] = []
        self.is_abandoned = False


class ErrorsInLog(logging.Handler):
    """Keeps what is logged as an error: there is none in a gateway that works."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, with its traceback."""
        self.lines.append(logging.Formatter().format(record))


class World:
    """One run."""

    def __init__(self, seed: int, clock: StandingClock, settings: dict[str, str]) -> None:
        self.draw = random.Random(seed)
        self.clock = clock
        self.errors = ErrorsInLog()
        log = logging.getLogger("penstock")
        log.handlers, log.propagate = [self.errors], False
        config = load_gateway({f"PENSTOCK_{name.upper()}": value for name, value in settings.items()}).settings
        self.deadline_ms = config.edge.deadline_ms
        self.gateway = Gateway(config, "simulated")
        self.wire = self.gateway.wire
        self.clients: list[SimulatedClient] = []
        self.services: list[SimulatedService] = []
        self.sent: dict[int, Sent] = {}
        self.may_cut = "cut" in settings.get("rules", "")
        """Connections are reset on purpose."""
        self.may_refresh = "cache" in settings.get("rules", "")
        """Requests are made beside those of clients, with deadlines of their own."""
        self.done: Counter[str] = Counter()
        """How often a request with an Idempotency-Key was carried out, by key."""
        self.attempts = [0, 0]
        """How many first attempts services have had, and how many others."""
        self.began_ms = clock.now_ms
        self.budget = config.retries
        self.trace: list[str] = []
        self._by_descriptor: dict[int, SimulatedClient | SimulatedService] = {}
        self._readable = select.epoll()
        self._ticked_ms = clock.now_ms
        gateway = self.gateway
        self._decide = make_decide(
            gateway.lane,
            gateway.tasks,
            gateway.transport,
            self.wire.arena,
            self.wire.requests,
            gateway.own,
            None,
            gateway.breaking,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run what has tasks of its own, and close everything in the end."""
        gateway = self.gateway
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(gateway.tasks.run)
                for run in (gateway.own.run, gateway.pooling.run, gateway.admitting.run):
                    nursery.start_soon(run)
                yield
                nursery.cancel_scope.cancel()
        finally:
            self.wire.close_all()
            for peer in (*self.clients, *self.services):
                peer.close()
            self._readable.close()

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
        self.check()

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
            must(self.may_cut, f"the connection of request {client.asking} ended unanswered")
            self.sent[client.asking].is_abandoned = True
            client.asking = None

    def _watch(self, peer: SimulatedClient | SimulatedService) -> None:
        self._by_descriptor[peer.descriptor] = peer
        self._readable.register(peer.descriptor, select.EPOLLIN)

    def _asked(self, service: SimulatedService, asked: Asked) -> None:
        self.attempts[asked.attempt > 1] += 1
        sent = self.sent.get(asked.number)
        if sent is None:
            return
        sent.started += 1
        self.tell(f"{service.instance} is asked {asked.number}, attempt {asked.attempt}, {asked.remaining_ms} ms left")
        must(sent.name == asked.name, f"request {asked.number} arrives with the name of another")
        must(sent.method == "GET" or sent.started == 1 or sent.key, f"POST {asked.number} is started twice")
        left_ms = self.deadline_ms if self.may_refresh else max(0, sent.due_ms - self.clock.now_ms)
        must(asked.remaining_ms <= left_ms, f"{asked} is given more than the {left_ms} ms that are left")

    def _answered(self, client: SimulatedClient, got: Got) -> None:
        number = client.asking
        self.tell(f"request {number} is answered {got.status} {got.reason}")
        must(number is not None and number in self.sent, f"an answer that nobody waits for: {got}")
        assert number is not None
        sent = self.sent[number]
        client.asking = None
        sent.answers.append(got)
        must(len(sent.answers) == 1, f"request {number} was answered {len(sent.answers)} times")
        must(got.reason != "internal", f"request {number} was answered 500 internal")
        if not got.reason:
            must(got.body.endswith(b" " + sent.name), f"request {number} for {sent.name!r} has another's answer: {got}")
        if sent.whole_ms is not None:
            late_ms = self.clock.now_ms - max(sent.due_ms, sent.whole_ms)
            must(late_ms <= LATE_MS, f"request {number} is answered {late_ms} ms after its deadline")

    def tell(self, line: str) -> None:
        """Note down what happens."""
        self.trace.append(f"{self.clock.now_ms % 10**9:>10} {line}")

    # ---- what clients and services do ----

    def ask(
        self, client: SimulatedClient, method: str, name: str, *, key: str, timeout_ms: int | None, part: float
    ) -> None:
        """Send a request. part: so much of it now, 0 to 1; the rest is to be sent by `go_on_asking`."""
        number = len(self.sent) + 1
        limit = f"x-request-timeout-ms: {timeout_ms}\r\n" if timeout_ms else ""
        limit += f"idempotency-key: {key}\r\n" if key else ""
        body = b"b" * self.draw.choice((0, 10, 3_000)) if method == "POST" and not key else b""
        head = f"{method} /things/{name} HTTP/1.1\r\nhost: edge\r\n{MARK.decode()}: {number}\r\n{limit}"
        data = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        count = max(1, int(len(data) * part))
        due_ms = self.clock.now_ms + min(timeout_ms or self.deadline_ms, self.deadline_ms)
        self.sent[number] = Sent(method, name.encode(), key, due_ms)
        client.asking, client.rest = number, data[count:]
        self.tell(f"request {number}: {method} /things/{name}, {timeout_ms or '-'} ms, {count} of {len(data)} bytes")
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

    def connect(self) -> SimulatedClient:
        """A client connects."""
        client = SimulatedClient()
        self.wire.adopt(client.near, SocketKind.EDGE)
        self.clients.append(client)
        self._watch(client)
        return client

    def start_service(self, instance: str) -> SimulatedService:
        """A service connects, and says HELLO."""
        service = SimulatedService(instance)
        self.gateway.transport.opened(self.wire.adopt(service.near, SocketKind.FRAMED))
        self.services.append(service)
        self._watch(service)
        service.join()
        self.tell(f"{instance} starts")
        return service

    def answer(self, service: SimulatedService, asked: Asked, status: int, filling: bytes) -> None:
        """A service answers: what it was asked for stands at the end."""
        self.tell(f"{service.instance} answers {asked.number} with {status}")
        service.respond(asked, status, filling + b" " + asked.name)
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
        service.send_frame(FrameType.HEARTBEAT, encode_heartbeat(HealthStatus.HEALTHY, in_flight=len(service.pending)))

    def say_goodbye(self, service: SimulatedService) -> None:
        """A service says that it wants nothing new."""
        self.tell(f"{service.instance} says GOAWAY")
        service.send_frame(FrameType.GOAWAY, encode_goaway(GoawayReason.SHUTDOWN, 1_000))

    # ---- what must hold ----

    def check(self) -> None:
        """Look at what must hold at any time."""
        gateway = self.gateway
        if self.errors.lines:
            raise BrokenInvariant("an error is in the log:\n" + "\n".join(self.errors.lines))
        must(gateway.bytes_in_flight.held >= 0, "fewer than no bytes are held")
        if "attempt_budgets" in gateway.__dict__:
            for service in gateway.attempt_budgets:
                must(gateway.attempt_budgets.left(service) >= 0, f"the budget of {service} is below zero")

    def check_counts(self) -> None:
        """Look at what the wire counts, and whether it is as much as there can be."""
        counters = self.wire.counters()
        asking = sum(client.asking is not None for client in self.clients)
        calls = len(self.gateway.own.takers)
        now, kept = counters["exchanges_now"], counters["kept_now"]
        must(now <= asking + calls, f"{now} exchanges are under way for {asking} requests and {calls} of the gateway's")
        must(kept <= now, f"{kept} requests are kept of {now}")

    def check_attempts(self) -> None:
        """Requests are sent again no more often than the budget lets them."""
        first, more = self.attempts
        seconds = (self.clock.now_ms - self.began_ms + self.budget.budget_window_ms) / 1_000
        most = first * self.budget.budget / 100 + self.budget.budget_floor * (seconds + 1) + 1
        must(more <= most, f"{more} attempts beyond the first were made for {first} requests; {most:.1f} may be")

    def left(self) -> dict[str, int]:
        """What is left of exchanges: nothing may be, once all have ended."""
        gateway, counters = self.gateway, self.wire.counters()
        names = ("exchanges_now", "buffers_now", "handed_over_now", "kept_now", "kept_bytes_now", "edge_open_now")
        counts: dict[str, Any] = {name: counters[name] for name in (*names, "framed_open_now")}
        counts["in flight"] = sum(self.wire.in_flight)
        counts["of routes in flight"] = sum(self.wire.route_in_flight)
        counts["of services in flight"] = sum(self.wire.group_in_flight)
        counts["carried by tasks"] = gateway.tasks.in_progress
        counts["bytes held"] = gateway.bytes_in_flight.held
        counts["takers"] = len(gateway.own.takers)
        counts["looked at each turn"] = len(self.wire.on_turn)
        counts["watched for their answers"] = len(gateway.lane.endings)
        if gateway.lane.attempts_made is not None:
            counts["known of attempts"] = len(gateway.lane.attempts_made)  # type: ignore[arg-type]
        if "parking" in gateway.__dict__:
            counts["parked"] = len(gateway.parking)
        return {name: count for name, count in Counter(counts).items() if count}
