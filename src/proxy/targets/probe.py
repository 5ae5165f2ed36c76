"""Probe, as a stage: one request at a time goes to an instance that is half-open, to see how it is.

It is the first real request that comes: nothing but that tells whether the endpoint works again. What only reads goes
first; what changes something is used where nothing else has come for a while, since it may be lost.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from frames.frame import Method
from proxy.breaker_state import BreakerState, Probe, Recovering
from proxy.request.exchange import Exchange
from proxy.request.offer import Offer

SAFE: Final = frozenset((Method.GET, Method.HEAD, Method.OPTIONS))

PATIENCE_S: Final = 2.0
"""For which a request that only reads is waited for."""

AFTER_S: Final = 0.5
"""Behind its deadline, how soon the next one may go where nobody has said what became of a probe."""


class Sent(NamedTuple):
    """A probe that is under way. route: its index."""

    exchange: int
    offer: Offer
    route: int
    at: float


class Prober:
    """Sends probes. ``sent`` is how many."""

    def __init__(self, answers: Sequence[int], clock: Callable[[], float]) -> None:
        """answers: the good ones by gauge, as the wire counts them; clock: in seconds, that of `Breakers`."""
        self._answers = answers
        self._clock = clock
        self.sent = 0
        self._under_way: list[Sent] = []

    def probe(self, exchange: Exchange) -> None:
        """Let the exchange be a probe, if one is wanted: then it has one candidate."""
        offers = exchange.offers
        if not isinstance(offers, Recovering) or not offers.probing:
            return
        now = self._clock()
        for offer in offers.probing:
            if self._claim(offer, exchange, now):
                exchange.offers = Probe(offer, offers)
                self.sent += 1
                self._under_way.append(Sent(exchange.id, offer, exchange.route.index, now))
                return

    def late(self, now: float, patience_s: Callable[[Sent], float]) -> list[Sent]:
        """Return the probes that take longer than this, each once: nobody is to wait for them until the deadline."""
        if not self._under_way:
            return []
        half_open = [sent for sent in self._under_way if any(breaker.probing for breaker in sent.offer.breakers)]
        late = [sent for sent in half_open if now - sent.at >= patience_s(sent)]
        self._under_way = [sent for sent in half_open if sent not in late]
        return late

    def _claim(self, offer: Offer, exchange: Exchange, now: float) -> bool:
        half_open = [breaker for breaker in offer.breakers if breaker.state is BreakerState.HALF_OPEN]
        if not offer.gauge or not half_open or not all(breaker.may_probe(now) for breaker in half_open):
            return False
        is_harmless = exchange.method in SAFE or offer.idempotent
        if not is_harmless and any(now - breaker.since < PATIENCE_S for breaker in half_open):
            return False
        for breaker in half_open:
            breaker.claim(offer.gauge, self._answers[offer.gauge], now + exchange.deadline_ms / 1000 + AFTER_S)
        return True
