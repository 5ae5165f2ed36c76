"""Puts together what keeps answers: the response cache, and answers to Idempotency-Keys.

Nothing of it is loaded before a rule asks for it; then it stays until the gateway ends, whatever the rules say.
"""

from functools import cached_property
from typing import TYPE_CHECKING

from proxy.config import GatewayConfig
from proxy.stage import Stage

if TYPE_CHECKING:
    from proxy.answers.caching import Caching
    from proxy.app import Gateway


class Answering:
    """The parts, made when they are first needed."""

    def __init__(self, gateway: "Gateway") -> None:
        """gateway: looked at when a part is made, or used."""
        self._gateway = gateway
        self._config: GatewayConfig | None = None

    def stages(self, config: GatewayConfig) -> tuple[Stage, ...]:
        """Return the stages that a configuration wants."""
        self._config = self._config or config
        return (self.caching.stage,) if any(rule.cache is not None for rule in config.rules) else ()

    def change(self, config: GatewayConfig) -> None:
        """Follow another configuration."""
        self._config = config
        if "caching" in self.__dict__:
            self.caching.wait_ms = config.cache.wait_ms
            self.caching.kept.shrink(config.cache.memory_bytes, config.cache.entry_bytes)

    @cached_property
    def caching(self) -> "Caching":
        """The response cache."""
        from proxy.answers.caching import Caching
        from proxy.answers.kept import Kept
        from proxy.answers.refreshing import make_refresh
        from proxy.edge.copied import context_of

        gateway, config = self._gateway, self._config
        assert config is not None  # noqa: S101 - whoever wants stages has given it
        cache = config.cache
        return Caching(
            gateway.wire,
            Kept(cache.memory_bytes, cache.entry_bytes),
            lambda: gateway.lane.endings,
            lambda: gateway.parking,
            wait_ms=cache.wait_ms,
            refresh=make_refresh(
                gateway.wire,
                lambda: gateway.own.originated,
                lambda offers: gateway.configured.pipeline.balancing.pick_of_two(offers),
                lambda exchange: context_of(gateway.wire, exchange),
            ),
        )
