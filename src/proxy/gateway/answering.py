"""Puts together what keeps answers: the response cache, and answers to Idempotency-Keys.

Nothing of it is loaded before a rule asks for it; then it stays until the gateway ends, whatever the rules say.
"""

import time
from functools import cached_property
from typing import TYPE_CHECKING, Final, NoReturn

import trio

from penstock.settings import Problem, SettingsError
from proxy.config import GatewayConfig
from proxy.request.stage import Stage

if TYPE_CHECKING:
    from proxy.answers.caching import Caching
    from proxy.answers.ledger import Record
    from proxy.answers.repeating import Repeating
    from proxy.answers.stores import AnswerStore
    from proxy.gateway.app import Gateway


DRAIN_POLL_S: Final = 0.02


class Answering:
    """The parts, made when they are first needed."""

    def __init__(self, gateway: "Gateway", config: GatewayConfig) -> None:
        """gateway: looked at when a part is made, or used."""
        self._gateway = gateway
        self._config = config
        self._has_store = trio.Event()

    async def run(self) -> NoReturn:
        """Write what is kept in a file, until cancelled."""
        await self._has_store.wait()
        await self.repeating.store.run()
        raise AssertionError("a store writes until it is cancelled")

    async def drain(self, ends_at: float) -> None:
        """Wait for the answers to requests that have outlived their clients, or until the time is over."""
        with trio.move_on_at(ends_at):
            while "repeating" in self.__dict__ and self.repeating.outliving:  # noqa: ASYNC110 - seldom, and once
                await trio.sleep(DRAIN_POLL_S)

    # ---- by the configuration ----

    async def prepare(self, config: GatewayConfig) -> None:
        """Open the file of answers beside the traffic, where a new configuration is the first that wants it."""
        if _wants_keys(config) and "repeating" not in self.__dict__:
            self.__dict__["_opened"] = await trio.to_thread.run_sync(self._open, config)

    def stages(self, config: GatewayConfig) -> tuple[Stage, ...]:
        """Return the stages that a configuration wants. Raises `SettingsError`: the file cannot be used."""
        found = []
        if _wants_keys(config):
            found.append(self.repeating.stage)
        if any(rule.cache is not None for rule in config.rules):
            found.append(self.caching.stage)
        return tuple(found)

    def change(self, config: GatewayConfig) -> None:
        """Follow another configuration."""
        self._config = config
        if "caching" in self.__dict__:
            self.caching.wait_ms = config.cache.wait_ms
            self.caching.kept.shrink(config.cache.memory_bytes, config.cache.entry_bytes)
        if "repeating" in self.__dict__:
            idempotency, repeating = config.idempotency, self.repeating
            repeating.is_open_on_failure = idempotency.on_store_failure == "open"
            repeating.store.gone(repeating.ledger.shrink(idempotency.entries, idempotency.size_bytes))

    # ---- the parts ----

    @cached_property
    def caching(self) -> "Caching":
        """The response cache."""
        from proxy.answers.caching import Caching
        from proxy.answers.kept import Kept
        from proxy.answers.refreshing import make_refresh
        from proxy.edge.copied import context_of

        gateway, cache = self._gateway, self._config.cache
        return Caching(
            gateway.wire,
            Kept(cache.memory_bytes, cache.entry_bytes),
            lambda: gateway.lane.endings,
            lambda: gateway.parking,
            wait_ms=cache.wait_ms,
            refresh=make_refresh(
                gateway.wire,
                lambda: gateway.own.originated,
                lambda offers: gateway.configured.pipeline.balancing.pick(offers),
                lambda exchange: context_of(gateway.wire, exchange),
            ),
        )

    @cached_property
    def repeating(self) -> "Repeating":
        """The answers to Idempotency-Keys."""
        from proxy.answers.ledger import Ledger
        from proxy.answers.repeating import Repeating

        gateway, idempotency = self._gateway, self._config.idempotency
        ledger = Ledger(idempotency.entries, idempotency.size_bytes)
        store, restored = self._opened
        now = _now_ms()
        for record in restored:
            if not ledger.restore(record, now):
                store.gone((record.key,))
        self._has_store.set()
        return Repeating(
            gateway.wire,
            ledger,
            store,
            lambda: gateway.lane.endings,
            gateway.own.takers,
            gateway.bytes_in_flight.reserve,
            is_open_on_failure=idempotency.on_store_failure == "open",
            now_ms=_now_ms,
        )

    @cached_property
    def _opened(self) -> "tuple[AnswerStore, list[Record]]":
        return self._open(self._config)

    @staticmethod
    def _open(config: GatewayConfig) -> "tuple[AnswerStore, list[Record]]":
        """Return the store, and what is in it from before."""
        from proxy.answers.stores import MemoryStore, StoreError

        idempotency = config.idempotency
        if idempotency.store != "sqlite" or idempotency.file is None:
            return MemoryStore(), []
        from proxy.answers.sqlite import SqliteStore

        try:
            store = SqliteStore(idempotency.file)
            return store, store.restored(_now_ms(), idempotency.entries)
        except StoreError as error:
            problem = Problem("unusable_file", "idempotency.file", str(idempotency.file), str(error), error.fix)
            raise SettingsError([problem]) from None


def _wants_keys(config: GatewayConfig) -> bool:
    return any(rule.idempotency is not None for rule in config.rules)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
