"""Who asks, found again by what was sent: what a request costs that says what another one has said.

Whoever proved an identity is kept apart from the strangers: who sends many bad tokens displaces strangers alone, and is
remembered too, for a short while, so that the same bad token is not verified again and again. A token is verified once,
whatever tenants are named with it.
"""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from frames.wire_values import NO_IDENTITY, make_identity
from penstock.telemetry.occasional import Occasional
from proxy.errors import KEYS_UNAVAILABLE
from proxy.request.caller import Caller, Identity
from proxy.request.stage import Answer, Await

from .cache import Generations
from .causes import Cause, KeysWantedError, RefusedError
from .tenant import INVALID, is_tenant, select_tenant

if TYPE_CHECKING:
    from .verify import Verifier

_log = logging.getLogger("penstock.identity")

STRANGERS_MAX: Final = 1_024
SAID_BYTES_MAX: Final = 8_704
"""What is longer is not remembered of a stranger: it is refused unread, and would only take room."""
STRANGER_S: Final = 10.0
"""How long credentials that prove nothing are remembered."""
_PASSING: Final = frozenset({Cause.KEY_UNKNOWN, Cause.NOT_YET})
"""What may be different in a moment, and is found without verifying anything."""
_TOLD: Final = frozenset({Cause.CLAIMS_TOO_LARGE})
"""What an operator has to mend: told as a warning."""


class _Stranger(NamedTuple):
    caller: Caller
    until_s: float


class _Known(NamedTuple):
    """What credentials prove, and how the wire writes it."""

    identity: Identity
    wire: Any


class Callers:
    """What was found out about callers, and how to find out more. Its ``repr`` shows nobody."""

    def __init__(
        self,
        verifier: "Verifier | None",
        *,
        count_max: int = 10_000,
        forwards_credentials: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """verifier: None where no credentials are looked at; count_max: how many who proved an identity are kept.

        clock: seconds that only rise; wall_clock: Unix time.
        """
        self._verifier = verifier
        self._drops = not forwards_credentials
        self._clock = clock
        self.wall_clock = wall_clock
        self.known = Generations[Caller](count_max)
        """By all that was sent. Whoever takes one from it checks that it has not expired."""
        self._proofs = Generations[_Known](count_max)
        """By credentials, whatever the tenant."""
        self._strangers = Generations[_Stranger](STRANGERS_MAX)
        self._nobody_wire = make_identity(b"", b"", drops_credentials=True)
        self.refused = dict.fromkeys(Cause, 0)
        """How often credentials were judged to prove nothing, by cause. Those that were remembered are not counted."""
        self.keys_missing = 0
        self._told = Occasional(clock=clock)

    def __repr__(self) -> str:
        """How many there are."""
        return f"<Callers {len(self.known)} known, {len(self._strangers)} strangers>"

    def apart(self) -> "Callers":
        """Return others that judge by the same configuration, and remember and count by themselves."""
        return Callers(
            self._verifier,
            count_max=2,
            forwards_credentials=not self._drops,
            clock=self._clock,
            wall_clock=self.wall_clock,
        )

    # ---- finding ----

    def find(self, said: bytes, *, is_public: bool) -> Caller | Answer | Await:
        """Return who asks, or the answer, or what must be waited for first.

        said: tenant, authorization and API key, a line each. is_public: whether it does not matter who asks: then
        nothing is waited for, and nobody is refused for credentials.
        """
        caller = self.known.get(said)
        if caller is not None:
            if self.wall_clock() < caller.expires_at_s:
                return caller
            self.known.drop(said)
        stranger = self._strangers.get(said)
        if stranger is not None and self._clock() < stranger.until_s:
            return stranger.caller
        return self._judge(said, is_public)

    def _judge(self, said: bytes, is_public: bool) -> Caller | Answer | Await:
        tenant, _, credentials = said.partition(b"\n")
        if tenant and not is_tenant(tenant):
            return INVALID
        authorization, _, api_key = credentials.partition(b"\n")
        verifier = self._verifier
        bearer, ours = (verifier.bearer(authorization), verifier.api_key(api_key)) if verifier else (None, None)
        if verifier is None or (bearer is None and ours is None):
            return self._remember_stranger(said, _nobody(tenant, NO_IDENTITY))
        nobody = _nobody(tenant, self._nobody_wire if self._drops else NO_IDENTITY, has_bad_token=bearer is not None)
        try:
            known = self._prove(verifier, credentials, bearer, ours)
        except RefusedError as refused:
            self._count(refused.cause)
            return nobody if refused.cause in _PASSING else self._remember_stranger(said, nobody)
        except KeysWantedError as wanted:
            return self._without_keys(wanted, nobody, is_public)
        return self._introduce(said, tenant, known)

    def _prove(self, verifier: "Verifier", credentials: bytes, bearer: bytes | None, api_key: bytes | None) -> _Known:
        now_s = self.wall_clock()
        known = self._proofs.get(credentials)
        if known is not None:
            if now_s < known.identity.expires_at_s:
                return known
            self._proofs.drop(credentials)
        proof = verifier.prove(bearer, api_key, now_s)
        assert proof is not None  # noqa: S101 - one of the two is there
        wire = make_identity(proof.identity.principal.encode(), proof.told, drops_credentials=self._drops)
        known = _Known(proof.identity, wire)
        self._proofs.put(credentials, known)
        return known

    def _introduce(self, said: bytes, tenant: bytes, known: _Known) -> Caller | Answer:
        identity = known.identity
        selected = select_tenant(tenant, identity)
        if isinstance(selected, Answer):
            return selected
        caller = Caller(
            tenant=selected,
            identity=identity,
            wire=known.wire,
            expires_at_s=identity.expires_at_s,
            selected=None if tenant else selected,
        )
        self.known.put(said, caller)
        return caller

    def _remember_stranger(self, said: bytes, caller: Caller) -> Caller:
        if len(said) <= SAID_BYTES_MAX:
            self._strangers.put(said, _Stranger(caller, self._clock() + STRANGER_S))
        return caller

    def _without_keys(self, wanted: KeysWantedError, nobody: Caller, is_public: bool) -> Caller | Answer | Await:
        """A route that anybody may ask must not depend on an issuer."""
        if is_public:
            wanted.keyring.ask()
            return nobody
        if wanted.keyring.may_fetch():
            return Await(wanted.keyring.wait)
        self.keys_missing += 1
        return Answer(KEYS_UNAVAILABLE)

    def _count(self, cause: Cause) -> None:
        self.refused[cause] += 1
        held_back = self._told.held_back(cause)
        if held_back is not None:
            level = logging.WARNING if cause in _TOLD else logging.DEBUG
            _log.log(level, "credentials were refused: %s (%d more since the last line)", cause.value, held_back)

    # ---- changing ----

    def change(self, verifier: "Verifier | None", *, count_max: int, forwards_credentials: bool) -> None:
        """Judge by another configuration from now on. Nobody is known any more."""
        self._verifier = verifier
        self._drops = not forwards_credentials
        self.known.resize(count_max)
        self._proofs.resize(count_max)
        self.forget(is_all=True)

    def forget(self, *, is_all: bool) -> None:
        """Judge anew: those who were refused, or all, where a key is gone that they may have been believed by."""
        self._strangers.clear()
        if is_all:
            self.known.clear()
            self._proofs.clear()


def _nobody(tenant: bytes, wire: Any, *, has_bad_token: bool = False) -> Caller:
    return Caller(tenant=tenant, wire=wire, has_bad_token=has_bad_token, selected=None if tenant else b"")
