"""The keys of one source over time: fetched, fetched again, and kept while the source is down.

One task fetches, so there is never more than one fetch at once, and no request that goes away takes a fetch with it.
A token that names an unknown key may ask for a fetch; however many do, there is one in an interval.
"""

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from penstock.telemetry.occasional import Occasional

from .document import KeysError, parse_keys
from .source import KeySource, SourceError

if TYPE_CHECKING:
    from .keys import KeySet, VerificationKey

_log = logging.getLogger("penstock.identity")
_TOLD_EVERY_S: Final = 600.0


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """When keys are fetched, and for how long that is tried."""

    interval_s: float = 30.0
    """Of rest after a fetch, whoever asks."""
    renew_s: float = 600.0
    """After which they are fetched again, unasked."""
    timeout_s: float = 5.0


class KeyringStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a source. age_s: since its keys were last seen; None: never."""

    source: str
    keys: int
    age_s: float | None
    is_stale: bool
    fetches: int
    failures: int


class Keyring:
    """The keys of one source.

    Tasks: `run` fetches until cancelled; whoever needs keys waits by `wait`. All else is called in Trio's thread, and
    waits for nothing.
    """

    def __init__(
        self,
        source: KeySource,
        times: Times,
        keys: "KeySet | None" = None,
        *,
        on_change: Callable[[bool], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """keys: what was read already. on_change: told of new keys, and whether some that were there are gone."""
        self._source = source
        self.times = times
        self._on_change = on_change
        self._clock = clock
        self.keys = keys
        self._seen_at = -float("inf") if keys is None else clock()
        self._ended_at = self._seen_at
        self._is_fetching = False
        self._is_over = False
        self._has_failed = False
        self._scope = trio.CancelScope()
        self._asked = trio.Event()
        self._done = trio.Event()
        self._fetches = 0
        self._failures = 0
        self._told = Occasional(_TOLD_EVERY_S, clock)

    def find(self, algorithm: str, key_id: str | None) -> "VerificationKey | None":
        """Return the key, if it is there."""
        return None if self.keys is None else self.keys.find(algorithm, key_id)

    def is_without(self, algorithms: Sequence[str]) -> bool:
        """Whether there is no key for the algorithms, or no new one can be had: so that an unknown one may be right."""
        return self.keys is None or self._has_failed or not self.keys.for_algorithms(algorithms)

    # ---- asking for keys ----

    def may_fetch(self) -> bool:
        """Whether waiting could bring new keys: a fetch is under way, or may begin now."""
        return not self._is_over and (self._is_fetching or self._clock() - self._ended_at >= self.times.interval_s)

    def ask(self) -> None:
        """Have keys fetched, if that may be."""
        if self.may_fetch() and not self._is_fetching:
            self._asked.set()

    async def wait(self) -> None:
        """Wait for the end of the fetch that is under way, or that is asked for now. Keys may or may not be new."""
        if self.may_fetch():
            self.ask()
            await self._done.wait()

    def statistics(self) -> KeyringStatistics:
        """Return what is known of the source."""
        return KeyringStatistics(
            source=self._source.name,
            keys=0 if self.keys is None else len(self.keys),
            age_s=None if self.keys is None else self._clock() - self._seen_at,
            is_stale=self._has_failed and self.keys is not None,
            fetches=self._fetches,
            failures=self._failures,
        )

    # ---- fetching ----

    async def run(self) -> None:
        """Fetch keys now if there are none, then when asked, and now and then, until closed or cancelled. Once."""
        try:
            with self._scope:
                await self._keep_fetching()
        finally:
            self._is_over = True
            self._done.set()

    def close(self) -> None:
        """End `run`. What was read may still be used."""
        self._scope.cancel()

    async def _keep_fetching(self) -> None:
        if self.keys is None:
            await self._fetch()
        while True:
            rest_s = min(self.times.interval_s, self.times.renew_s) if self._has_failed else self.times.renew_s
            with trio.move_on_after(rest_s):
                await self._asked.wait()
            await self._fetch()

    async def _fetch(self) -> None:
        self._asked = trio.Event()
        self._is_fetching = True
        self._fetches += 1
        try:
            document = await self._source.read(self.times.timeout_s)
            if document is not None:
                self._take(document)
            self._succeed()
        except SourceError as error:
            self._fail(str(error))
        except Exception as error:  # a fault of ours, or of a library: the keys that are there must not go with it
            _log.exception("fetching keys from %s failed", self._source.name)
            self._fail(f"a fault: {type(error).__name__}")
        finally:
            self._is_fetching = False
            self._ended_at = self._clock()
            done, self._done = self._done, trio.Event()
            done.set()

    def _take(self, document: bytes) -> None:
        try:
            keys = parse_keys(document)
        except KeysError as error:
            self._source.forget()
            raise SourceError(str(error)) from None
        self.replace(keys)

    def replace(self, keys: "KeySet") -> None:
        """Use other keys from now on."""
        if self.keys is not None and keys.thumbprints == self.keys.thumbprints:
            return
        is_less = self.keys is not None and not self.keys.thumbprints <= keys.thumbprints
        self.keys = keys
        _log.info("%d keys are used from %s", len(keys), self._source.name)
        self._on_change(is_less)

    def _succeed(self) -> None:
        if self._has_failed:
            _log.info("keys can be had from %s again", self._source.name)
        self._has_failed = False
        self._seen_at = self._clock()

    def _fail(self, why: str) -> None:
        self._failures += 1
        has_failed, self._has_failed = self._has_failed, True
        if self._told.held_back(self._source.name) is None and has_failed:
            return
        if self.keys is None:
            _log.error("there are no keys from %s: %s; its tokens are answered 503", self._source.name, why)
        else:
            age_s = self._clock() - self._seen_at
            _log.warning("no new keys from %s: %s; those of %.0f s ago stay in use", self._source.name, why, age_s)
