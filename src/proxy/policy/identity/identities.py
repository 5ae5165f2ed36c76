"""All about identities for a gateway: the configuration made into something that judges, and changed while it does."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from proxy.config.identity import IdentityConfig
from proxy.policy.authorize import authorize
from proxy.policy.identify import make_identify

from .callers import Callers
from .prepare import PreparedIdentities, SourceId, prepare_identities, source_of

if TYPE_CHECKING:
    from penstock.settings.identity import Issuer

    from .keyring import Keyring, KeyringStatistics
    from .verify import Verifier

FILE_EVERY_S: Final = 5.0
"""How often files of keys are looked at, which costs one call."""


class IdentityStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of identities. refused: by cause, those that were judged anew; keyrings: by the issuer's name."""

    known: int
    refused: Mapping[str, int]
    keys_missing: int
    keyrings: "Mapping[str, KeyringStatistics]"


class Identities:
    """Who is who, for one gateway.

    Tasks: `run` fetches keys until cancelled; requests that wait for keys wait for it. All else is called in Trio's
    thread, or before Trio runs.
    """

    def __init__(
        self,
        prepared: PreparedIdentities,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """clock: seconds that only rise; wall_clock: Unix time."""
        self._clock = clock
        self._nursery: trio.Nursery | None = None
        self._issuers: tuple[Issuer, ...] = ()
        self._keyrings: dict[SourceId, Keyring] = {}
        self.callers = Callers(
            self._verifier(prepared),
            count_max=prepared.config.cache,
            forwards_credentials=prepared.config.forward_credentials,
            clock=clock,
            wall_clock=wall_clock,
        )
        self.identify = make_identify(self.callers)
        """The stage."""
        self.authorize = authorize
        """The stage."""

    def swap(self, prepared: PreparedIdentities) -> None:
        """Go on with another configuration. Keys that it names as before need not be fetched again."""
        config = prepared.config
        before = self._keyrings
        verifier = self._verifier(prepared)
        for source, keyring in before.items():
            if self._keyrings.get(source) is not keyring:
                keyring.close()
        for source, keyring in self._keyrings.items():
            if before.get(source) is keyring:
                keyring.ask()
            elif self._nursery is not None:
                self._nursery.start_soon(keyring.run)
        self.callers.change(verifier, count_max=config.cache, forwards_credentials=config.forward_credentials)

    def reload(self, config: IdentityConfig) -> None:
        """Go on with another configuration, whose files are read now.

        Raises:
            SettingsError: it is wrong; nothing has changed.
        """
        self.swap(prepare_identities(config))

    async def run(self) -> None:
        """Fetch keys, until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                for keyring in self._keyrings.values():
                    nursery.start_soon(keyring.run)
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def statistics(self) -> IdentityStatistics:
        """Return what is known now."""
        return IdentityStatistics(
            known=len(self.callers.known),
            refused={cause.value: count for cause, count in self.callers.refused.items()},
            keys_missing=self.callers.keys_missing,
            keyrings={issuer.name: self._keyrings[source_of(issuer)].statistics() for issuer in self._issuers},
        )

    def _verifier(self, prepared: PreparedIdentities) -> "Verifier | None":
        """Return what judges by a configuration, and note its keyrings: those that there are, as far as they serve.

        None for a configuration that knows nobody: it loads nothing that judges.
        """
        config = prepared.config
        sources = dict.fromkeys(map(source_of, config.issuers))
        self._issuers = config.issuers
        self._keyrings = {source: self._keyring(source, prepared) for source in sources}
        issuers = [(issuer, self._keyrings[source_of(issuer)]) for issuer in config.issuers]
        if prepared.api_keys is None:
            return None
        from .verify import Verifier

        return Verifier(issuers, prepared.api_keys, config.skew_ms / 1000)

    def _keyring(self, source: SourceId, prepared: PreparedIdentities) -> "Keyring":
        """Return the keyring of a source. What fetches keys is imported by who has keys to fetch."""
        from .keyring import Keyring, Times
        from .source import UrlSource

        config = prepared.config
        is_file = source in prepared.files
        times = Times(
            interval_s=config.refresh_ms / 1000,
            renew_s=FILE_EVERY_S if is_file else config.renew_ms / 1000,
            timeout_s=config.fetch_timeout_ms / 1000,
        )
        if is_file:
            file, keys = prepared.files[source]
            return Keyring(file, times, keys, on_change=self._forget, clock=self._clock)
        keyring = self._keyrings.get(source)
        if keyring is None:
            return Keyring(UrlSource(source.url, source.authorities), times, on_change=self._forget, clock=self._clock)
        keyring.times = times
        return keyring

    def _forget(self, is_less: bool) -> None:
        self.callers.forget(is_all=is_less)
