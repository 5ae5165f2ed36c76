"""The choice of one instance for one request: two at random, the less loaded.

Load is (requests in flight + 1) x the moving average of the time to respond, both as the wire measures them, x the
handicap of what the instance says of itself (`standing`). Of two drawn at random the less loaded wins, which spreads
requests almost as well as looking at all of them, costs the same for any number, and does not send everything to the
same one at the same moment, as "the least loaded of all" does with figures that are a little old (M. Mitzenmacher, "The
Power of Two Choices in Randomized Load Balancing", 2001, and "How Useful Is Old Information?", 2000).

Three rules keep an instance from being starved by an old or unlucky figure, since only a chosen one is measured again:

- The second must be clearly better, by ``MARGIN``, to win over the first. Between equals the order of the draw
  decides, which is fair.
- One draw of ``1 / EXPLORE`` is not compared at all. So one that was slow once is measured again, and comes back by
  itself.
- A first that loses by its time to respond alone stays all the same, with a probability that falls with the square of
  how far it is behind: the nearer two averages are, the more likely it is that chance parts them. One that is twice as
  slow stays in half of these draws, one that is ten times as slow in one of fifty.

An average of 0 means that nothing was measured yet: only requests in flight are compared then, so a new one is tried
at once, and gets no more than its share.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from proxy.request.offer import Offer
from proxy.targets.shares import Shares

MARGIN: Final = 1.5
"""How many times as loaded the first must be to lose: above the noise of an average over few requests, and below 2,
which is what one request in flight is against none."""

EXPLORE: Final = 1 / 32
"""The part of the draws that is not compared: a slow one gets this part of its fair share, for being looked at."""


class Figures(NamedTuple):
    """What is chosen by. in_flight, latency_us: the wire's arrays by slot; rand: returns a float in [0, 1).

    tally: how often it came otherwise than planned, counted by the plans of `proxy.targets.balance`.
    """

    in_flight: Sequence[int]
    latency_us: Sequence[float]
    shares: Shares
    tally: Counter[str]
    rand: Callable[[], float] = random.random


Pick = Callable[[Sequence[Offer]], Offer | None]
"""Returns one of the candidates, or None when there is none."""


def make_pick_of_two(figures: Figures) -> Pick:
    """Return the choice for candidates that all have their whole share. It draws one number, for two and more."""
    in_flight, latency_us, rand = figures.in_flight, figures.latency_us, figures.rand
    handicap = figures.shares.handicap

    def pick_of_two(candidates: Sequence[Offer]) -> Offer | None:
        count = len(candidates)
        if count < 2:
            return candidates[0] if count else None
        # One draw gives an ordered pair of different ones, and what is left over is for chance.
        others = count - 1
        draw = rand() * count * others
        pair = int(draw)
        first, luck = pair // others, draw - pair
        one = candidates[first]
        if luck < EXPLORE:
            return one
        second = pair - first * others
        other = candidates[second if second < first else second + 1]
        here, there = one.slot, other.slot
        busy, other_busy = in_flight[here], in_flight[there]
        slow, other_slow = latency_us[here] * handicap[here], latency_us[there] * handicap[there] * MARGIN
        if not (slow and other_slow):
            return other if other_busy < busy else one
        if (other_busy + 1) * other_slow >= (busy + 1) * slow:
            return one
        return one if busy <= other_busy and luck * slow * slow < other_slow * other_slow else other

    return pick_of_two
